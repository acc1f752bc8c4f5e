// A compiled model as it lies on disk: the description parsed and checked, the sections mapped.
// Immutable; shared by every Executor that runs it.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "runtime/bnc_file.h"
#include "runtime/program.h"
#include "runtime/status.h"

namespace bitnetc {

// The section that every artifact has besides those its steps name.
inline constexpr char kSectionTokenizer[] = "tokenizer.json";

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

// The JSON form of a description, and back. parse_description checks types, ranges and that buffers
// exist; whether the program makes sense is what check_program (compiler/check_program.h) says.
// Messages begin with `origin`.
std::string print_description(const ModelDescription& description);
Result<ModelDescription> parse_description(const std::string& json, const std::string& origin);

}  // namespace bitnetc
