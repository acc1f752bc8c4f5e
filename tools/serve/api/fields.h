// Reads the fields of a request strictly: a field that is there has its type and range, null means
// absent, and what nobody asks for is listed as ignored.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tools/serve/api/json.h"

namespace bitnetc::serve {

class Fields {
 public:
  explicit Fields(const Json& object, std::string prefix = {})
      : object_(object), prefix_(std::move(prefix)) {}

  // Null where the field is absent or null. Counts as read.
  const Json* find(const char* name);
  std::optional<bool> boolean(const char* name);
  std::optional<int64_t> integer(const char* name, int64_t least, int64_t most);
  std::optional<double> number(const char* name, double least, double most);
  std::optional<std::string> text(const char* name);
  // A text, or a list of at most `most` of them, each of at most `most_bytes` bytes.
  std::vector<std::string> texts(const char* name, size_t most, size_t most_bytes);

  // The field, if it is there and not as `harmless`, cannot be honoured.
  void refuse(const char* name, const char* why, const Json& harmless = nullptr);
  // The fields are known and change nothing here; they are listed where they are there.
  void accept_without_effect(std::initializer_list<const char*> names);
  // A member of a field at `path` that is known or not, and changes nothing here.
  void note_without_effect(std::string path) { paths_without_effect_.push_back(std::move(path)); }
  void fail(ApiError error);  // the first one counts
  // 400 "'<path>': <what>", which blames `path`.
  void fail_at(const std::string& path, const std::string& what);
  std::string path(const char* name) const { return prefix_ + name; }

  const std::optional<ApiError>& error() const { return error_; }
  // What had no effect: unknown fields, those accepted without effect and what was noted.
  std::vector<std::string> ignored() const;

 private:
  void expect(const char* name, const std::string& what);

  const Json& object_;
  const std::string prefix_;
  std::set<std::string> read_, without_effect_;
  std::vector<std::string> paths_without_effect_;
  std::optional<ApiError> error_;
};

}  // namespace bitnetc::serve
