// Malformed inputs of one kind, by the hundred and the same at every run: each is refused in one
// clear line and in little memory, or it stands on the list of those that are legal.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "runtime/status.h"

namespace bitnetc::test {

struct HostileInput {
  std::string place;   // what was changed: "/model/merges/0", "header length"
  std::string change;  // into what: "null", "2^63"
  std::string bytes;
};

// A document with one thing wrong: each of its values in turn is another (of every type, too large,
// too deep, not UTF-8, not JSON), is absent, stands there twice or under another key.
std::vector<HostileInput> json_mutations(const nlohmann::ordered_json& good);
// Any file cut off, empty, with a byte order mark, a NUL, something behind it, or another file.
std::vector<HostileInput> file_mutations(const std::string& good);

// Tries inputs and counts. What may be accepted is listed in
// tests/frontend/hostile/accepted/<kind>.txt, a place in each line: "/rope_theta: 1 0.5".
class HostileInputs {
 public:
  // `named`: one of these stands in every refusal, the name of the file or of another that
  // contradicts it.
  HostileInputs(std::string kind, std::vector<std::string> named);

  using Read = std::function<Status(const std::string& bytes)>;
  void try_all(const std::vector<HostileInput>& inputs, const Read& read);
  // Prints the counts; fails if there were fewer inputs, or if what was accepted is not what the
  // list says.
  void finish(size_t fewest);

 private:
  using Places = std::map<std::string, std::set<std::string>>;
  void expect_clear(const Status& status, const std::string& what);

  std::string kind_;
  std::vector<std::string> named_;
  Places accepted_;
  size_t tried_ = 0, refused_ = 0;
  long peak_kib_before_ = 0;
};

}  // namespace bitnetc::test
