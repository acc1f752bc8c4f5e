// Runs batches of rows: each row is one token of one sequence. An Executor owns what a pass needs
// besides the model: threads (or a device), buffers, the pool of KV pages. The bits of a row's
// logits depend on the tokens of its own sequence alone, whatever else is in the batch, however
// many threads there are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "runtime/cancel_token.h"
#include "runtime/element_type.h"
#include "runtime/executable.h"
#include "runtime/sequence.h"
#include "runtime/status.h"

namespace bitnetc {

// What of a row's logits will be looked at; said before the pass, so that no more need be computed.
struct LogitsNeed {
  enum class Kind {
    kNone,    // none: the row only fills the cache
    kTop,     // the `k` largest, and all that equal the last of them
    kWithin,  // those that are at most `margin` below the largest
    kAll,
  };
  Kind kind = Kind::kNone;
  int64_t k = 1;
  double margin = 0;
  // kTop, kWithin: logits of these are wanted besides and do not count among the largest; ascending
  // ids of the vocabulary. Must stay as they are until the scores have been read.
  std::span<const int32_t> ids = {};
};

struct BatchRow {
  Sequence* sequence = nullptr;
  int32_t token = 0;
  int64_t position = 0;  // the next one of its sequence, counted over the rows of this batch
  LogitsNeed need = {};
};

// At least the logits that a row's need asks for, and what they belong to. Of a text encoder: the
// values of its hidden row, which are there for every need.
struct Scores {
  std::span<const int32_t> ids;  // ascending; empty: logits[i] belongs to id i, for all ids
  std::span<const float> logits;
  // Of the vocabulary's other ids: how many, and what each of their logits is below.
  int64_t others = 0;
  float others_below = 0;
};

// How often the logits that passes needed were found without reading the whole head
// (docs/screened-head.md).
struct ScreenStats {
  int64_t passes = 0;       // that were screened
  int64_t full_passes = 0;  // that could have been, but for values or lack of success
  // Of the screened passes, over their rows: rows of the head; those of them that needed more than
  // the coarse part; those whose logits were computed in full.
  int64_t head_rows = 0, refined = 0, computed = 0;
};

// What a step wrote for one of its operands, for tests and debugging: `data` is [rows][stride]
// elements.
struct StepOutput {
  std::string_view operand;  // name of the operand, "y"
  ElementType type = ElementType::kF32;
  const void* data = nullptr;
  int64_t columns = 0, stride = 0;

  const float* f32() const { return static_cast<const float*>(data); }
  const int8_t* i8() const { return static_cast<const int8_t*>(data); }
};
// Called on the caller's thread after each step of a pass.
using StepTap =
    std::function<void(const LinkedStep& step, int64_t rows, std::span<const StepOutput> outputs)>;

// When a step of a pass ran: from the moment all workers could begin to the moment the last was
// done, in nanoseconds of the steady clock.
struct StepTime {
  const LinkedStep* step = nullptr;
  int64_t rows = 0;
  int64_t begin_ns = 0, end_ns = 0;
};
// Called on the caller's thread after each pass that ran to its end, with its steps in order.
using PassObserver = std::function<void(std::span<const StepTime> steps)>;

class Executor {
 public:
  virtual ~Executor() = default;

  virtual const Executable& executable() const = 0;
  virtual std::shared_ptr<KvPool> pool() const = 0;
  // Appends each row's token to its sequence. All rows go through the model together. Error:
  // kInvalidArgument for an empty or too large batch, an id outside the vocabulary, a position that
  // is not the next one or beyond the model's; kOutOfMemory; kCancelled. Then no sequence has
  // changed. kDataCorrupt when logits are not finite; the tokens are appended then.
  virtual Status run(std::span<const BatchRow> rows, const CancelToken* cancel = nullptr) = 0;
  // Of row `row` of the last batch that ran, whose need was not kNone. Valid until the next run()
  // or complete().
  virtual Scores scores(size_t row) const = 0;
  // Computes all logits of the last batch that ran, whatever its needs said. Error: as run().
  virtual Status complete() = 0;
  virtual int64_t memory_bytes() const = 0;  // buffers and KV pages
  virtual int threads() const { return 1; }  // of the CPU that run kernels
  virtual ScreenStats screen_stats() const { return {}; }
};

struct CpuExecutorOptions {
  int threads = 1;
  // Binds worker i to the i-th CPU this process may use, the calling thread (worker 0) included.
  // Its own binding comes back when the executor ends.
  bool pin_threads = false;
  int64_t page_limit = 0;    // most KV pages in use at once, 0: as many as memory holds
  bool screen = true;        // whether logits may be found by the screened head
  bool skip_neurons = true;  // in passes of one row, where the model was compiled for it
  bool lock_pages = false;   // KV pages are locked in memory, as far as the system allows
};

// An executor for where `executable` is linked for; on a GPU only the limit of pages has a meaning.
Result<std::unique_ptr<Executor>> make_executor(std::shared_ptr<const Executable> executable,
                                                const CpuExecutorOptions& options);

// Not thread-safe: one thread uses it at a time.
class CpuExecutor final : public Executor {
 public:
  static Result<std::unique_ptr<CpuExecutor>> create(std::shared_ptr<const Executable> executable,
                                                     const CpuExecutorOptions& options);
  ~CpuExecutor() override;

  const Executable& executable() const override;
  std::shared_ptr<KvPool> pool() const override;
  Status run(std::span<const BatchRow> rows, const CancelToken* cancel = nullptr) override;
  Scores scores(size_t row) const override;
  Status complete() override;
  int64_t memory_bytes() const override;
  // Threads that run; fewer than asked for where the system refused some.
  int threads() const override;
  ScreenStats screen_stats() const override;

  void set_tap(StepTap tap);
  void set_observer(PassObserver observer);

 private:
  struct Impl;
  explicit CpuExecutor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc
