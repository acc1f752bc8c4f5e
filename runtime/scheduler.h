// Many conversations on one Executor. Every step is one pass over a row of each text that is being
// written and a slice of the prompts that are being read, so a long prompt stops nobody. A request
// gets the ids that it would get alone, bit by bit, whatever runs beside it and whatever is
// reused of earlier ones. How it chooses, and why nobody starves: docs/scheduler.md.
//
// submit(), cancel(), close(), cancel_all() and stats() may be called by any thread at any time,
// callbacks included. step(), run() and clear_cache() belong to one thread at a time, which uses
// the executor meanwhile; callbacks are called by that thread, hold no lock, must not block it for
// long and must not throw.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/executor.h"
#include "runtime/kernel_args.h"
#include "runtime/sampler.h"
#include "runtime/status.h"

namespace bitnetc {

using RequestId = uint64_t;  // 1, 2, ... in the order of submission

struct SampledToken {
  RequestId request = 0;
  int32_t id = 0;
  int64_t index = 0;  // among the tokens of its request, from 0
  bool is_stop = false;
  // Of the whole vocabulary, where TokenRequest::wants_logits; valid during the call.
  std::span<const float> logits = {};
};

enum class EndReason {
  kMostTokens,   // TokenRequest::most_tokens are there
  kContextFull,  // most_tokens was not said, and no position is left
  kStopId,       // the last token is one of the stop ids, or the filter lets no more come
  kDeclined,     // on_token wanted no more
  kCancelled,    // by cancel(), cancel_all() or the end of the scheduler
  kTimeout,      // TokenRequest::timeout_ns went by
  kFailed,       // RequestEnd::status says why
};
const char* end_reason_name(EndReason reason);

// Times are those of SchedulerOptions::now_ns.
struct RequestEnd {
  RequestId request = 0;
  EndReason reason = EndReason::kMostTokens;
  Status status;              // not ok: of kFailed
  int64_t prompt_tokens = 0;  // of the request
  int64_t reused_tokens = 0;  // of them, those whose keys and values were there already
  int64_t tokens = 0;         // sampled
  int64_t submitted_ns = 0, ended_ns = 0;
  std::optional<int64_t> admitted_ns, first_token_ns;  // nothing: it came to an end before
};

// Ids in, ids out. All callbacks may be empty.
struct TokenRequest {
  std::vector<int32_t> prompt;         // at least one id
  std::optional<int64_t> most_tokens;  // 0: only reads the prompt; nothing: while there is context
  SamplingParams sampling;
  std::vector<int32_t> stop_ids;
  int priority = 0;        // the greater goes first
  int64_t timeout_ns = 0;  // from submit() to the end, 0: none
  bool wants_logits = false;

  // Once, when it gets its place among the running; maybe before submit() returns.
  std::function<void(RequestId request)> on_admitted;
  // For each position of the prompt in order, with all logits behind it, valid during the call. A
  // request that asks for them reads its whole prompt: nothing is reused.
  std::function<void(int64_t position, std::span<const float> logits)> on_prompt_logits;
  // For each token; whether more are wanted.
  std::function<bool(const SampledToken& token)> on_token;
  // Once, as the last; not when submit() refused the request.
  std::function<void(const RequestEnd& end)> on_end;
};

struct SchedulerOptions {
  int64_t most_rows = kMaxTokensPerCall;  // of a pass, up to the default
  int64_t most_prompt_rows = 64;          // of them, rows of prompts; fewer beside texts
  int64_t most_running = 16;              // requests that have a place; at most most_rows
  int64_t most_waiting = 64;              // requests that wait for one
  int64_t most_overtakes = 16;            // of one waiting request by later ones
  int64_t context_tokens = 0;             // most positions of one request, 0: the model's maximum
  // Most KV pages of requests and of what is kept of earlier ones; 0: the limit of the executor's
  // pool, which must have one then.
  int64_t page_limit = 0;
  // For timeouts and what is told of times, called by any thread; empty: the steady clock.
  std::function<int64_t()> now_ns;
};

struct SchedulerStats {
  int64_t waiting = 0, running = 0;          // requests now
  int64_t admitted = 0, ended = 0;           // requests so far
  int64_t waited_ns = 0;                     // together, of the admitted
  int64_t longest_wait_ns = 0;               // of those that wait now
  int64_t passes = 0, rows = 0;              // so far
  int64_t refused_passes = 0;                // so far, for lack of memory below the page limit
  int64_t prompt_tokens = 0;                 // read so far, without the reused
  int64_t reused_tokens = 0, tokens = 0;     // so far
  int64_t page_limit = 0, pages_in_use = 0;  // now
  int64_t cached_pages = 0;  // now, in the tree of prefixes; running requests use some
  int64_t evictions = 0;     // of pages from the tree, so far
};

class Scheduler {
 public:
  // The executor and its pool are the scheduler's alone while it lives. Error: kInvalidArgument
  // naming the option, or for a text encoder.
  static Result<std::unique_ptr<Scheduler>> create(std::shared_ptr<Executor> executor,
                                                   const SchedulerOptions& options);
  // Requests that are left end as kCancelled. No other thread may be inside a call.
  ~Scheduler();

  // Error: kInvalidArgument for what can never run, with the numbers; kOutOfMemory when
  // most_waiting others wait; kCancelled after close().
  Result<RequestId> submit(TokenRequest request);
  // The request ends as kCancelled before its next pass, running or waiting, and tells of one more
  // token at most, that of a pass under way. Whether it was there.
  bool cancel(RequestId request);
  void cancel_all();
  // From now on submit() refuses, and run() returns when all requests have ended.
  void close();
  // As of the end of the last step, but for requests that have come since.
  SchedulerStats stats() const;

  // Admits what may be admitted and runs one pass. Whether there was a request to run.
  bool step();
  // Steps, and waits for requests where there are none, until close().
  void run();
  // Forgets the prefixes that no running request uses.
  void clear_cache();

 private:
  struct Impl;
  explicit Scheduler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc
