// Source models, compiled once and found again: the folder "models" of the cache directory. An
// entry is found by the content of the source files (source_digest.h) and by what it was compiled
// for. Of every source folder the kKeptPerSource entries that were used last are kept; what other
// processes read of the others stays theirs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/cancel_token.h"
#include "runtime/compiled_model.h"
#include "runtime/notes.h"
#include "runtime/status.h"

namespace bitnetc {

inline constexpr int kKeptPerSource = 3;

struct CachedModelRequest {
  std::string source_path;
  std::string cache_dir;  // empty where there is none
  std::string plan;       // tier and layouts, as text
};

// Compiles the model into the file at `output_path`.
using CompileTo = std::function<Status(const std::string& output_path)>;

// The compiled model of an earlier run, else that which `compile` makes now. Without a usable cache
// it is compiled into a temporary file that is gone when the model is closed. An entry that another
// process removes meanwhile is a miss. Error: as source_digest(), `compile` and
// CompiledModel::open().
Result<std::shared_ptr<const CompiledModel>> open_cached_model(const CachedModelRequest& request,
                                                               const CompileTo& compile,
                                                               Notes& notes,
                                                               const CancelToken* cancel);

}  // namespace bitnetc
