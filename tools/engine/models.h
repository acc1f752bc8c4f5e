// Where a MODEL argument leads: a compiled file, a source folder, the name of a bundled model.
#pragma once

#include <string>

#include "runtime/status.h"

namespace bitnetc {

inline constexpr char kBundledModel[] = "fairytale-6m";

struct ModelLocation {
  enum class Kind { kCompiled, kSourceFolder } kind;
  std::string path;
};
// `name`: a path, the name of a bundled model, or empty for the default one.
// Error: kNotFound listing what was looked for.
Result<ModelLocation> locate_model(const std::string& name);

}  // namespace bitnetc
