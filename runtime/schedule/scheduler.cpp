#include "runtime/scheduler.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "runtime/schedule/inbox.h"
#include "runtime/schedule/prefix_cache.h"
#include "runtime/schedule/prompt_pace.h"
#include "runtime/schedule/row_shares.h"
#include "runtime/schedule/running_request.h"
#include "runtime/schedule/waiting_line.h"

namespace bitnetc {

const char* end_reason_name(EndReason reason) {
  switch (reason) {
    case EndReason::kMostTokens: return "token limit";
    case EndReason::kContextFull: return "context full";
    case EndReason::kStopId: return "stop id";
    case EndReason::kDeclined: return "declined";
    case EndReason::kCancelled: return "cancelled";
    case EndReason::kTimeout: return "timeout";
    case EndReason::kFailed: return "failed";
  }
  return "?";
}

namespace {

int64_t steady_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// With what 0 stands for filled in.
Result<SchedulerOptions> checked(SchedulerOptions options, const Executor& executor) {
  const ModelConfig& config = executor.executable().model->description().config;
  if (config.output != ModelOutput::kLogits)
    return Status(StatusCode::kInvalidArgument, "a text encoder writes no text to schedule");
  const auto refuse = [](const char* name, int64_t value, int64_t least, int64_t most) {
    return make_error(StatusCode::kInvalidArgument, "{} = {}, expected {}..{}", name, value, least,
                      most);
  };
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const int64_t pool_limit = executor.pool()->page_limit();
  if (options.page_limit == 0) options.page_limit = pool_limit;
  if (options.context_tokens == 0) options.context_tokens = config.max_positions;
  const struct {
    const char* name;
    int64_t value, least, most;
  } ranges[] = {
      {"most_rows", options.most_rows, 1, kMaxTokensPerCall},
      {"most_prompt_rows", options.most_prompt_rows, 1, options.most_rows},
      {"most_running", options.most_running, 1, options.most_rows},
      {"most_waiting", options.most_waiting, 1, kMost},
      {"most_overtakes", options.most_overtakes, 0, kMost},
      {"context_tokens", options.context_tokens, 1, config.max_positions},
      {"page_limit", options.page_limit, 1, pool_limit > 0 ? pool_limit : kMost},
  };
  for (const auto& range : ranges)
    if (range.value < range.least || range.value > range.most)
      return refuse(range.name, range.value, range.least, range.most);
  if (!options.now_ns) options.now_ns = steady_now_ns;
  return options;
}

}  // namespace

struct Scheduler::Impl {
  Impl(std::shared_ptr<Executor> its_executor, SchedulerOptions checked_options)
      : executor(std::move(its_executor)),
        options(std::move(checked_options)),
        config(executor->executable().model->description().config),
        inbox(options.most_waiting),
        line(options.most_overtakes),
        cache(executor->pool(), options.page_limit) {}

  Status check(const TokenRequest& request) const;
  Status measure(Submission& submission) const;

  void take_new();
  void drop_unwanted();
  void admit();
  void start(SubmissionPtr submission, std::unique_ptr<CachedSequence> cached);
  void run_pass();
  RowsWanted find_wanted(size_t index);
  void plan();
  void blame(const Status& status);
  void hand_out(bool is_suspect);
  Status tell_prompt(RunningRequest& each, size_t row, int64_t count, int64_t first) const;
  Result<std::optional<EndReason>> choose(RunningRequest& each, size_t row, bool& is_suspect);
  Status check_finite(size_t row, int64_t position) const;
  void end(size_t index, EndReason reason, Status status = {});
  void end_waiting(const Submission& submission, EndReason reason);
  void publish();

  const std::shared_ptr<Executor> executor;
  const SchedulerOptions options;
  const ModelConfig& config;
  Inbox inbox;
  WaitingLine line;
  PrefixCache cache;
  PromptPace pace;
  std::vector<std::unique_ptr<RunningRequest>> running;  // by admission; null: has just ended
  std::vector<int64_t> shares;                           // of the pass, by running request
  std::vector<BatchRow> rows;                            // of the pass
  int64_t text_rows = 0;                                 // of them, rows of texts
  SchedulerStats stats;
};

Result<std::unique_ptr<Scheduler>> Scheduler::create(std::shared_ptr<Executor> executor,
                                                     const SchedulerOptions& options) {
  BITNETC_ASSIGN_OR_RETURN(SchedulerOptions complete, checked(options, *executor));
  return std::unique_ptr<Scheduler>(
      new Scheduler(std::make_unique<Impl>(std::move(executor), std::move(complete))));
}

Scheduler::Scheduler(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Scheduler::~Scheduler() {
  close();
  cancel_all();
  impl_->take_new();
  impl_->drop_unwanted();
}

// ---- what other threads call

Status Scheduler::Impl::check(const TokenRequest& request) const {
  const auto refuse = [](std::string message) {
    return Status(StatusCode::kInvalidArgument, std::move(message));
  };
  if (request.prompt.empty()) return refuse("prompt: no ids, expected at least 1");
  for (size_t i = 0; i < request.prompt.size(); ++i)
    if (request.prompt[i] < 0 || request.prompt[i] >= config.vocab_size)
      return refuse(fmt::format("prompt: token {} has id {}, expected 0..{}", i, request.prompt[i],
                                config.vocab_size - 1));
  if (request.most_tokens && *request.most_tokens < 0)
    return refuse(fmt::format("most_tokens = {}, expected 0 or more", *request.most_tokens));
  if (request.timeout_ns < 0)
    return refuse(fmt::format("timeout_ns = {}, expected 0 (none) or more", request.timeout_ns));
  return validate(request.sampling);
}

// The last token that is sampled takes no position.
Status Scheduler::Impl::measure(Submission& submission) const {
  const TokenRequest& request = submission.request;
  const int64_t prompt = std::ssize(request.prompt);
  const int64_t positions_of_pages = cache.page_limit() * KvLayout::kPagePositions;
  const int64_t room = std::min(options.context_tokens, positions_of_pages) - prompt;
  // Written so that no sum overflows.
  submission.most_tokens = request.most_tokens.value_or(std::max<int64_t>(room, 0) + 1);
  const int64_t behind = std::max<int64_t>(submission.most_tokens, 1) - 1;
  if (behind > options.context_tokens - prompt)
    return make_error(StatusCode::kInvalidArgument,
                      "a prompt of {} tokens and at most {} more do not fit in a context of {}",
                      prompt, submission.most_tokens, options.context_tokens);
  submission.most_pages = KvLayout::pages_for(prompt + behind);
  if (submission.most_pages > cache.page_limit())
    return make_error(
        StatusCode::kInvalidArgument,
        "a prompt of {} tokens and at most {} more need {} KV pages of {} positions, there are {}",
        prompt, submission.most_tokens, submission.most_pages, KvLayout::kPagePositions,
        cache.page_limit());
  return {};
}

Result<RequestId> Scheduler::submit(TokenRequest request) {
  BITNETC_RETURN_IF_ERROR(impl_->check(request));
  const auto submission = std::make_shared<Submission>();
  submission->request = std::move(request);
  BITNETC_RETURN_IF_ERROR(impl_->measure(*submission));
  submission->submitted_ns = impl_->options.now_ns();
  return impl_->inbox.add(submission);
}

bool Scheduler::cancel(RequestId request) {
  return impl_->inbox.cancel(request);
}
void Scheduler::cancel_all() {
  impl_->inbox.cancel_all();
}
void Scheduler::close() {
  impl_->inbox.close();
}
SchedulerStats Scheduler::stats() const {
  return impl_->inbox.stats();
}

// ---- a step

bool Scheduler::step() {
  impl_->take_new();
  impl_->drop_unwanted();
  impl_->admit();
  const bool has_work = !impl_->running.empty();
  if (has_work) impl_->run_pass();
  impl_->publish();
  return has_work;
}

void Scheduler::run() {
  do {
    while (step()) continue;
  } while (impl_->inbox.wait());
}

void Scheduler::clear_cache() {
  impl_->cache.clear();
  impl_->publish();
}

void Scheduler::Impl::take_new() {
  for (SubmissionPtr& submission : inbox.take_new()) line.add(std::move(submission));
}

void Scheduler::Impl::drop_unwanted() {
  const int64_t now = options.now_ns();
  const auto is_unwanted = [&](const Submission& submission) {
    return submission.is_cancelled || submission.is_late(now);
  };
  const auto reason = [](const Submission& submission) {
    return submission.is_cancelled ? EndReason::kCancelled : EndReason::kTimeout;
  };
  for (const SubmissionPtr& each : line.remove(is_unwanted)) end_waiting(*each, reason(*each));
  for (size_t i = 0; i < running.size(); ++i) {
    const Submission& submission = running[i]->submission();
    if (is_unwanted(submission)) end(i, reason(submission));
  }
  std::erase(running, nullptr);
}

void Scheduler::Impl::admit() {
  while (std::ssize(running) < options.most_running) {
    std::unique_ptr<CachedSequence> cached;
    SubmissionPtr next = line.take([&](const Submission& submission) {
      cached = cache.admit(reusable_tokens(submission.request), submission.most_pages);
      return cached != nullptr;
    });
    if (next == nullptr) return;
    start(std::move(next), std::move(cached));
  }
}

void Scheduler::Impl::start(SubmissionPtr submission, std::unique_ptr<CachedSequence> cached) {
  inbox.say_admitted();
  running.push_back(
      std::make_unique<RunningRequest>(std::move(submission), std::move(cached), options.now_ns()));
  ++stats.admitted;
  stats.waited_ns += running.back()->waited_ns();
  const RunningRequest& started = *running.back();
  if (started.request().on_admitted) started.request().on_admitted(started.submission().id);
}

void Scheduler::Impl::run_pass() {
  plan();
  const int64_t begin_ns = options.now_ns();
  const Status status = executor->run(rows);
  const bool is_suspect = status.code() == StatusCode::kDataCorrupt;
  if (!status.ok() && !is_suspect) {
    blame(status);
    return;
  }
  pace.note(text_rows, std::ssize(rows) - text_rows, options.now_ns() - begin_ns);
  ++stats.passes;
  stats.rows += std::ssize(rows);
  hand_out(is_suspect);
  std::erase(running, nullptr);
}

// Rows that a request could use in the next pass. None while one before it reads the page that it
// needs next, too.
RowsWanted Scheduler::Impl::find_wanted(size_t index) {
  RunningRequest& each = *running[index];
  if (each.reads_prompt()) {
    each.reuse(cache);
    for (size_t before = 0; before < index; ++before)
      if (each.shares_next_page(*running[before])) return {.rows = 0, .of_prompt = true};
    each.reuse_part(cache);
  }
  return each.rows_wanted();
}

void Scheduler::Impl::plan() {
  std::vector<RowsWanted> wanted;
  for (size_t i = 0; i < running.size(); ++i) wanted.push_back(find_wanted(i));
  text_rows = 0;
  int64_t prompts = 0;
  for (const RowsWanted& each : wanted) {
    if (!each.of_prompt) text_rows += each.rows;
    if (each.of_prompt && each.rows > 0) ++prompts;
  }
  shares =
      share_rows(wanted, {.rows = options.most_rows,
                          .prompt_rows = pace.rows(text_rows, prompts, options.most_prompt_rows)});
  rows.clear();
  int64_t pages = 0;
  for (size_t i = 0; i < running.size(); ++i) {
    pages += running[i]->pages_wanted(shares[i]);
    running[i]->add_rows(shares[i], config.vocab_size, rows);
  }
  cache.make_room(pages);
}

// A pass did not happen. Where memory was refused below the limit of pages, prefixes go first, then
// the request that came last; the others try again in the next step.
void Scheduler::Impl::blame(const Status& status) {
  for (const auto& each : running) each->sequence().truncate(each->sequence().length());
  const bool no_memory = status.code() == StatusCode::kOutOfMemory;
  if (no_memory) ++stats.refused_passes;
  if (no_memory && cache.evict()) return;
  for (size_t i = no_memory ? running.size() - 1 : 0; i < running.size(); ++i)
    end(i, EndReason::kFailed, status);
  std::erase(running, nullptr);
}

// `is_suspect`: logits of some row are not finite.
void Scheduler::Impl::hand_out(bool is_suspect) {
  size_t row = 0;
  for (size_t i = 0; i < running.size(); ++i) {
    RunningRequest& each = *running[i];
    const int64_t count = shares[i];
    row += static_cast<size_t>(count);
    if (count == 0) continue;
    cache.keep_full_pages(each.cached(), each.history());
    const int64_t first = each.sequence().length() - count;
    if (first < std::ssize(each.request().prompt)) stats.prompt_tokens += count;
    if (each.submission().is_cancelled) continue;  // ends before the next pass
    const size_t first_row = row - static_cast<size_t>(count);
    if (Status told = tell_prompt(each, first_row, count, first); !told.ok()) {
      end(i, EndReason::kFailed, std::move(told));
      continue;
    }
    if (each.sequence().length() < std::ssize(each.history())) continue;
    if (each.is_full()) {  // no token is wanted
      end(i, each.full_reason());
      continue;
    }
    const Result<std::optional<EndReason>> reason = choose(each, row - 1, is_suspect);
    if (!reason.ok()) {
      end(i, EndReason::kFailed, reason.status());
    } else if (*reason) {
      end(i, **reason);
    }
  }
}

// Rows of a prompt whose logits are asked for.
Status Scheduler::Impl::tell_prompt(RunningRequest& each, size_t row, int64_t count,
                                    int64_t first) const {
  const auto& tell = each.request().on_prompt_logits;
  if (!tell) return {};
  const int64_t end = std::min(first + count, std::ssize(each.request().prompt));
  for (int64_t at = first; at < end; ++at, ++row) {
    BITNETC_RETURN_IF_ERROR(check_finite(row, at));
    tell(at, executor->scores(row).logits);
  }
  return {};
}

// The next token. Why it is the last one; nothing: it is not.
Result<std::optional<EndReason>> Scheduler::Impl::choose(RunningRequest& each, size_t row,
                                                         bool& is_suspect) {
  const int64_t position = each.sequence().length() - 1;
  if (is_suspect) BITNETC_RETURN_IF_ERROR(check_finite(row, position));
  const Sampler::End end_before = each.sampler_end(config.vocab_size);
  if (end_before == Sampler::End::kStuck) return Sampler::stuck_status();
  if (end_before == Sampler::End::kEnds) return std::optional(EndReason::kStopId);
  std::optional<int32_t> id = each.sample(executor->scores(row));
  if (!id) {
    is_suspect = !executor->complete().ok() || is_suspect;  // of some row, which may be another's
    if (is_suspect) BITNETC_RETURN_IF_ERROR(check_finite(row, position));
    id = each.sample(executor->scores(row));
  }
  ++stats.tokens;
  const std::optional<EndReason> reason =
      each.take(*id, executor->scores(row).logits, options.now_ns());
  if (!reason && each.sampler_end(config.vocab_size) == Sampler::End::kEnds)
    return std::optional(EndReason::kStopId);
  return reason;
}

Status Scheduler::Impl::check_finite(size_t row, int64_t position) const {
  if (std::ranges::all_of(executor->scores(row).logits, [](float x) { return std::isfinite(x); }))
    return {};
  return make_error(StatusCode::kDataCorrupt,
                    "the logits at position {} are not finite: the model's weights overflow",
                    position);
}

void Scheduler::Impl::end(size_t index, EndReason reason, Status status) {
  const std::unique_ptr<RunningRequest> ended = std::move(running[index]);
  const RequestEnd said = ended->end(reason, std::move(status), cache, options.now_ns());
  stats.reused_tokens += said.reused_tokens;
  ++stats.ended;
  inbox.say_ended(said.request, true);
  if (ended->request().on_end) ended->request().on_end(said);
}

void Scheduler::Impl::end_waiting(const Submission& submission, EndReason reason) {
  ++stats.ended;
  inbox.say_ended(submission.id, false);
  if (!submission.request.on_end) return;
  submission.request.on_end({.request = submission.id,
                             .reason = reason,
                             .prompt_tokens = std::ssize(submission.request.prompt),
                             .submitted_ns = submission.submitted_ns,
                             .ended_ns = options.now_ns()});
}

void Scheduler::Impl::publish() {
  const std::optional<int64_t> oldest_ns = line.oldest_ns();
  stats.longest_wait_ns = oldest_ns ? options.now_ns() - *oldest_ns : 0;
  stats.running = std::ssize(running);
  stats.page_limit = cache.page_limit();
  stats.pages_in_use = executor->pool()->pages_in_use();
  stats.cached_pages = cache.tree().pages();
  stats.evictions = cache.tree().evictions();
  inbox.set_stats(stats);
}

}  // namespace bitnetc
