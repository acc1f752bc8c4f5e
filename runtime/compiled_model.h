// A compiled model as it lies on disk: the description parsed and checked, the sections mapped. Immutable;
// shared by every Session that runs it.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "runtime/bnc_file.h"
#include "runtime/program.h"
#include "runtime/status.h"

namespace bitnetc {

// Names of the sections that every artifact has besides those its steps name.
inline constexpr char kSectionTokenizer[] = "tokenizer.json";
inline constexpr char kSectionRopeCos[] = "rope.cos";  // f32[max_positions][head_dim / 2]
inline constexpr char kSectionRopeSin[] = "rope.sin";

class CompiledModel {
 public:
  static Result<std::shared_ptr<const CompiledModel>> open(const std::string& path);
  static Result<std::shared_ptr<const CompiledModel>> from_reader(
      std::shared_ptr<const BncReader> reader);

  const ModelDescription& description() const { return description_; }
  const BncReader& file() const { return *file_; }
  std::string_view tokenizer_json() const;

 private:
  std::shared_ptr<const BncReader> file_;
  ModelDescription description_;
};

// The JSON form of a description, and back. parse_description checks types, ranges and references
// (buffers, operands); messages begin with `origin`.
std::string print_description(const ModelDescription& description);
Result<ModelDescription> parse_description(const std::string& json, const std::string& origin);

}  // namespace bitnetc
