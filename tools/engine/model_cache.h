// Source models, compiled once and found again: the folder "models" of the cache directory.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/compiled_model.h"
#include "runtime/notes.h"
#include "runtime/status.h"

namespace bitnetc {

// What a cached model depends on besides the files of its folder.
struct CachedModelRequest {
  std::string source_folder;
  std::string plan;  // tier and layouts, as text
};

// Compiles the model into the file at `output_path`.
using CompileTo = std::function<Status(const std::string& output_path)>;

// The compiled model of an earlier run, else that which `compile` makes now. Without a usable cache it is compiled
// into a temporary file that is gone when the model is closed.
Result<std::shared_ptr<const CompiledModel>> open_cached_model(const CachedModelRequest& request,
                                                               const CompileTo& compile,
                                                               Notes& notes);

}  // namespace bitnetc
