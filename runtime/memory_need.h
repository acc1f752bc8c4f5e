// What a model takes of memory while it runs, and whether it is there. Weights are mapped from
// their file, so a model that is larger than memory would run, reading all of it from the disk for
// every token: that is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "runtime/compiled_model.h"
#include "runtime/kv_type.h"
#include "runtime/memory_allowance.h"
#include "runtime/status.h"

namespace bitnetc {

struct MemoryNeed {
  int64_t weights_bytes = 0;  // the file's
  int64_t positions = 0;      // of context
  int64_t context_bytes = 0;  // their keys and values
  int64_t work_bytes = 0;     // buffers of the largest pass
  int64_t total_bytes() const { return weights_bytes + context_bytes + work_bytes; }
};

// Of one sequence of `positions` positions, with `threads` threads.
MemoryNeed memory_need(const CompiledModel& model, KvType kv_type, int64_t positions, int threads);

// `path`: the model's, for the message. `mapped`: its file, where it is mapped already; what of it
// is in memory for good need not be found again. Nothing is known where `allowance` is nothing.
// Error: kOutOfMemory naming the file, what is needed, what is available and what to do.
Status check_memory(const std::string& path, const MemoryNeed& need,
                    const std::optional<MemoryAllowance>& allowance,
                    std::span<const uint8_t> mapped = {});

}  // namespace bitnetc
