// Where a MODEL argument leads: a compiled file, a source model (a folder or a .gguf file), the
// name of a bundled model.
#pragma once

#include <string>
#include <vector>

#include "runtime/status.h"

namespace bitnetc {

inline constexpr char kBundledModel[] = "fairytale-6m";

struct ModelLocation {
  enum class Kind { kCompiled, kSource } kind;
  std::string path;
};
// `name`: a path, the name of a bundled model, or empty for the default one. `program_dir`: the
// folder of the program that bundled models were installed with, or built beside.
// Error: kNotFound listing what was looked for.
Result<ModelLocation> locate_model(const std::string& name, const std::string& program_dir);

// tools/examples/chat.jinja, a chat template for models without one, where it was installed or is
// in the source tree; empty: at neither place.
std::string locate_example_template(const std::string& program_dir);

// The files that opening the model reads, by name; of a source model those that are there.
std::vector<std::string> model_files(const ModelLocation& location);

}  // namespace bitnetc
