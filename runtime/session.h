// One running conversation: KV cache, activation buffers and threads around a shared Executable. Feed it
// tokens, read logits. The bits of the logits depend on the tokens alone, not on the number of threads nor
// on how the tokens were cut into calls. A Session is used by one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/executable.h"
#include "runtime/kernel_args.h"
#include "runtime/kv_cache.h"
#include "runtime/status.h"
#include "runtime/thread_pool.h"

namespace bitnetc {

struct SessionOptions {
  int threads = 1;
  bool pin_threads = true;
  int64_t context_tokens = 0;            // positions the cache can hold; 0: the model's maximum
  int chunk_tokens = kMaxTokensPerCall;  // most tokens a pass takes at once; kernels take no more
};

// Called on the session's thread after each step with what it wrote, for tests and debugging.
struct StepOutput {
  const LinkedStep& step;
  int64_t rows = 0, columns = 0;
  int64_t stride = 0;          // elements between rows of f32 or q
  const float* f32 = nullptr;  // f32 steps; for kNormQuantize the normed values before quantisation
  const int8_t* q = nullptr;   // kNormQuantize and kQuantize only; the latter have no f32
  const float* q_step = nullptr;
};
using StepTap = std::function<void(const StepOutput&)>;

class WorkClaims;

class Session {
 public:
  static Result<std::unique_ptr<Session>> create(std::shared_ptr<const Executable> executable,
                                                 const SessionOptions& options);
  ~Session();

  // Appends `tokens` and computes the logits of the last one.
  // Error: kInvalidArgument when an id is outside the vocabulary or the context is full (nothing is
  // appended then); kDataCorrupt when a hidden state is not finite; kCancelled when `cancel` was set (the
  // tokens of finished chunks stay appended).
  Status append(std::span<const int32_t> tokens, const std::atomic<bool>* cancel = nullptr);
  // The same, calling `visit(position, logits)` for every appended position in order.
  Status append_all_logits(std::span<const int32_t> tokens,
                           const std::function<void(int64_t, std::span<const float>)>& visit);

  std::span<const float> logits() const { return {logits_.data(), logits_.size()}; }
  int64_t position() const { return position_; }  // tokens appended so far
  int64_t context_tokens() const { return options_.context_tokens; }
  void reset() { position_ = 0; }

  void set_tap(StepTap tap);
  int64_t memory_bytes() const;  // KV cache and buffers of this session

 private:
  struct Activations {  // storage of one program buffer
    int64_t stride = 0;
    Buffer<float> f32;
    Buffer<int8_t> q;
    Buffer<float> q_step;
    Buffer<int32_t> q_sum;
  };
  enum class LogitsFor { kLast, kAll };
  using Visit = std::function<void(int64_t, std::span<const float>)>;

  Session(std::shared_ptr<const Executable> executable, const SessionOptions& options);
  Status check_tokens(std::span<const int32_t> tokens) const;
  Status run_chunk(std::span<const int32_t> tokens, bool wants_logits, const Visit* visit);
  void run_step(const LinkedStep& step, std::span<const int32_t> tokens, int member);
  void run_build_tables(const LinkedStep& step, int member);
  void run_matmul(const LinkedStep& step, int64_t rows, int member);
  void run_attention(const LinkedStep& step, int64_t rows, int member);
  void run_head(const LinkedStep& step, int64_t row, int member);
  void call_tap(const LinkedStep& step, int64_t rows);

  std::shared_ptr<const Executable> executable_;
  SessionOptions options_;
  KvLayout kv_;
  std::vector<Buffer<uint16_t>> k_cache_, v_cache_;  // by layer
  std::vector<Activations> buffers_;                 // by program buffer
  std::vector<Buffer<float>> score_scratch_;         // by pool member
  Buffer<float> row_absmax_;                         // [pool member][kMaxTokensPerCall]
  Buffer<float> normed_tap_;
  Buffer<float> logits_;
  Buffer<uint8_t> tables_;  // of the one token of a call, for kernels that look sums up
  int64_t position_ = 0;
  StepTap tap_;
  std::unique_ptr<WorkClaims> claims_;
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace bitnetc
