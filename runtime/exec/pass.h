// What steps see of the rows that go through the model together: where each buffer's rows are, and
// of each row its token, its position and its sequence's pages. Made by CpuExecutor for one run;
// steps only read it.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/executable.h"

namespace bitnetc {

class ScreenState;  // runtime/exec/screen_state.h

// Takes down the calls that the steps of a pass would make, for a device that makes them later. All
// addresses in them are the device's.
class CallRecorder {
 public:
  virtual ~CallRecorder() = default;
  virtual void call(const Kernel& kernel, const void* args, size_t args_bytes) = 0;
  virtual void clear(void* at, size_t bytes) = 0;  // to zeros
};

class Pass {
 public:
  struct Row {
    int32_t token = 0;
    int64_t position = 0;
    uint16_t* const* pages = nullptr;  // of its sequence, by position / KvLayout::kPagePositions
    // The same for kernels: where these run on a device, a copy of it there.
    const uint16_t* const* kernel_pages = nullptr;
  };
  struct Run {  // rows of one sequence at consecutive positions, at most kMostAttentionRows
    int64_t row = 0, rows = 0;
  };
  struct Storage {  // of one buffer
    uint8_t* base = nullptr;
    int64_t element_bytes = 0;
    int64_t row_elements = 0;     // between rows
    int64_t worker_elements = 0;  // between workers' copies
    bool scored = false;
  };
  struct RopeTable {  // f32 [position][half], for the positions of this pass
    const float* cos = nullptr;
    const float* sin = nullptr;
    int64_t half = 0;
  };

  // With fewer units for each worker, one that takes longer than the others is waited for.
  static constexpr int64_t kUnitsPerWorker = 4;

  std::span<const Row> rows;
  std::span<const Run> runs;        // all rows in order; shorter ones where units would be few
  std::span<const int32_t> scored;  // the rows whose logits are wanted, ascending
  std::span<const Storage> storage;
  std::span<const RopeTable> ropes;
  KvLayout kv;
  int workers = 1;
  bool skips_neurons = false;   // the steps for one row take the places of those for several
  bool has_own_copies = false;  // each worker does the steps that are done_by_each()
  // Of each kv head, the tiles of the qkv matmul that are done; none: there are no early heads
  // (runtime/steps/early_heads.h).
  std::span<std::atomic<int32_t>> head_tiles;
  ScreenState* screen = nullptr;  // of a pass whose logits are screened; null: all are computed
  float* normed = nullptr;  // f32 [row][normed_stride]: where taps want normed values; else null
  int64_t normed_stride = 0;
  CallRecorder* recorder = nullptr;  // null: steps call kernels themselves

  template <typename Args>
  void call(const Kernel& kernel, const Args& args) const {
    if (recorder == nullptr) [[likely]]
      kernel(args);
    else
      recorder->call(kernel, &args, sizeof args);
  }
  void clear(void* at, size_t bytes) const {
    if (recorder == nullptr) [[likely]]
      std::memset(at, 0, bytes);
    else
      recorder->clear(at, bytes);
  }
  int64_t enough_units() const { return kUnitsPerWorker * workers; }
  // Whether a step is one of this pass.
  bool includes(const LinkedStep& step) const { return runs_in_pass(step.rows(), skips_neurons); }
  bool has_early_heads() const { return !head_tiles.empty(); }
  // Whether every worker does all of a step for itself.
  bool each_does(const LinkedStep& step) const { return has_own_copies && step.done_by_each(); }
  // Rows that a step runs for.
  int64_t rows_of(const LinkedStep& step) const {
    return static_cast<int64_t>(step.scored() ? scored.size() : rows.size());
  }
  // Row `row` of those that `step` runs for, in the buffer of `slice`.
  template <typename T>
  T* at(const LinkedStep& step, const BoundSlice& slice, int64_t row, int worker = 0) const {
    const Storage& buffer = storage[static_cast<size_t>(slice.buffer)];
    const int64_t line = step.scored() && !buffer.scored ? scored[static_cast<size_t>(row)] : row;
    return reinterpret_cast<T*>(buffer.base) + worker * buffer.worker_elements +
           line * buffer.row_elements + slice.column;
  }
  int64_t stride(const BoundSlice& slice) const {
    return storage[static_cast<size_t>(slice.buffer)].row_elements;
  }
  int64_t worker_stride(const BoundSlice& slice) const {
    return storage[static_cast<size_t>(slice.buffer)].worker_elements;
  }
};

}  // namespace bitnetc
