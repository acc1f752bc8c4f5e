// One running conversation: an Executor and one Sequence. Feed it tokens, read logits.
// The bits of the logits depend on the tokens alone, not on the number of threads nor on how the
// tokens were cut into calls. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/cancel_token.h"
#include "runtime/executor.h"
#include "runtime/kernel_args.h"

namespace bitnetc {

struct SessionOptions {
  int threads = 1;
  bool pin_threads = false;    // CpuExecutorOptions::pin_threads
  bool screen = true;          // CpuExecutorOptions::screen
  bool skip_neurons = true;    // CpuExecutorOptions::skip_neurons
  bool lock_pages = false;     // CpuExecutorOptions::lock_pages
  int64_t context_tokens = 0;  // most positions, 0: the model's maximum
  int chunk_tokens =
      kMaxTokensPerCall;  // most tokens per pass; kernels take no more than the default
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> create(std::shared_ptr<const Executable> executable,
                                                 const SessionOptions& options);

  // Appends `tokens` and computes logits of the last one, at least those that `need` asks for; it
  // is not kNone. Error: kInvalidArgument when an id is outside the vocabulary or the context is
  // full (nothing is appended then); kDataCorrupt when logits are not finite; kOutOfMemory;
  // kCancelled. After the last three the tokens of finished passes stay appended: position() says
  // how many, and a further append() goes on from there.
  Status append(std::span<const int32_t> tokens, const CancelToken* cancel = nullptr,
                const LogitsNeed& need = {.kind = LogitsNeed::Kind::kAll});
  // The same in one pass of at most SessionOptions::chunk_tokens tokens, with logits of each as
  // needs[i] says: scores(i).
  Status append_each(std::span<const int32_t> tokens, std::span<const LogitsNeed> needs,
                     const CancelToken* cancel = nullptr);
  // Computes all logits of the last pass, where fewer were asked for.
  Status complete();
  // The same, calling `visit(position, logits)` for every appended position in order.
  Status append_all_logits(std::span<const int32_t> tokens,
                           const std::function<void(int64_t, std::span<const float>)>& visit,
                           const CancelToken* cancel = nullptr);

  // Of the last token of the last append(), or of token `i` of append_each().
  Scores scores(size_t i = 0) const { return executor_->scores(first_scored_ + i); }
  // The logits of the last append() that asked for all; one per id of the vocabulary.
  std::span<const float> logits() const { return logits_; }
  int64_t position() const { return sequence_.length(); }  // tokens appended so far
  int64_t context_tokens() const { return options_.context_tokens; }
  int threads() const { return executor_->threads(); }
  bool skips_neurons() const { return options_.skip_neurons; }
  int64_t vocab_size() const;
  int chunk_tokens() const { return options_.chunk_tokens; }
  // Forgets the positions from `length` on; logits() are those of the last append() still.
  void truncate(int64_t length) { sequence_.truncate(length); }
  void reset() { truncate(0); }
  // A session with the same positions, and without logits. It has the executor of this one: one
  // thread at a time uses the two, and an append() to either ends the logits of the other.
  std::unique_ptr<Session> fork() const;
  // Of what runs on a CPU; checked.
  void set_tap(StepTap tap) { cpu_executor().set_tap(std::move(tap)); }
  void set_observer(PassObserver observer) { cpu_executor().set_observer(std::move(observer)); }
  int64_t memory_bytes() const { return executor_->memory_bytes(); }
  int64_t pages_in_use() const { return executor_->pool()->pages_in_use(); }  // forks' as well
  Status lock_status() const { return executor_->pool()->lock_status(); }
  ScreenStats screen_stats() const { return executor_->screen_stats(); }

 private:
  Session(std::shared_ptr<Executor> executor, const SessionOptions& options);
  CpuExecutor& cpu_executor() const;
  Status check_tokens(std::span<const int32_t> tokens) const;
  Status run_chunk(std::span<const int32_t> tokens, std::span<const LogitsNeed> needs,
                   const CancelToken* cancel);

  std::shared_ptr<Executor> executor_;  // of this session and its forks
  SessionOptions options_;
  Sequence sequence_;
  std::vector<BatchRow> rows_;
  size_t first_scored_ = 0;  // row of the last pass
  std::span<const float> logits_;
};

}  // namespace bitnetc
