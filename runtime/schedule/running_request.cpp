#include "runtime/schedule/running_request.h"

#include <algorithm>

namespace bitnetc {

std::span<const int32_t> reusable_tokens(const TokenRequest& request) {
  if (request.on_prompt_logits) return {};
  return std::span(request.prompt).first(request.prompt.size() - 1);
}

RunningRequest::RunningRequest(SubmissionPtr submission, std::unique_ptr<CachedSequence> cached,
                               int64_t now_ns)
    : submission_(std::move(submission)),
      sampler_(request().sampling),
      history_(request().prompt),
      cached_(std::move(cached)),
      reused_tokens_(cached_->sequence().length()),
      admitted_ns_(now_ns) {}

void RunningRequest::reuse(PrefixCache& cache) {
  const int64_t before = sequence().length();
  cache.extend(*cached_, reusable_tokens(request()));
  reused_tokens_ += sequence().length() - before;
}

void RunningRequest::reuse_part(PrefixCache& cache) {
  const int64_t before = sequence().length();
  cache.extend_by_part(*cached_, reusable_tokens(request()));
  reused_tokens_ += sequence().length() - before;
}

bool RunningRequest::shares_next_page(const RunningRequest& other) const {
  if (!cached_->continues_like(*other.cached_)) return false;
  const auto page = [&](std::span<const int32_t> tokens) {
    const auto from = static_cast<size_t>(cached_->first_own());
    return from + KvLayout::kPagePositions <= tokens.size()
               ? tokens.subspan(from, KvLayout::kPagePositions)
               : std::span<const int32_t>();
  };
  const auto mine = page(reusable_tokens(request()));
  return !mine.empty() && std::ranges::equal(mine, page(other.request().prompt));
}

RowsWanted RunningRequest::rows_wanted() const {
  return {.rows = std::ssize(history_) - cached_->sequence().length(), .of_prompt = reads_prompt()};
}

int64_t RunningRequest::pages_wanted(int64_t rows) const {
  const Sequence& sequence = cached_->sequence();
  return std::max<int64_t>(0, KvLayout::pages_for(sequence.length() + rows) - sequence.pages());
}

void RunningRequest::add_rows(int64_t count, int64_t vocab_size, std::vector<BatchRow>& rows) {
  const int64_t first = sequence().length();
  for (int64_t at = first; at < first + count; ++at) {
    LogitsNeed need;
    const bool is_last = at + 1 == std::ssize(history_);
    if (request().on_prompt_logits && at < std::ssize(request().prompt)) {
      need.kind = LogitsNeed::Kind::kAll;
    } else if (is_last && !is_full()) {
      need = request().wants_logits ? LogitsNeed{.kind = LogitsNeed::Kind::kAll}
                                    : sampler_.need(history_, vocab_size);
    }
    rows.push_back({.sequence = &sequence(),
                    .token = history_[static_cast<size_t>(at)],
                    .position = at,
                    .need = need});
  }
}

std::optional<EndReason> RunningRequest::take(int32_t id, std::span<const float> logits,
                                              int64_t now_ns) {
  if (!first_token_ns_) first_token_ns_ = now_ns;
  history_.push_back(id);
  const bool is_stop = std::ranges::find(request().stop_ids, id) != request().stop_ids.end();
  const SampledToken token{.request = submission_->id,
                           .id = id,
                           .index = tokens_++,
                           .is_stop = is_stop,
                           .logits = request().wants_logits ? logits : std::span<const float>()};
  const bool goes_on = !request().on_token || request().on_token(token);
  if (is_stop) return EndReason::kStopId;
  if (!goes_on) return EndReason::kDeclined;
  if (is_full()) return full_reason();
  return std::nullopt;
}

RequestEnd RunningRequest::end(EndReason reason, Status status, PrefixCache& cache,
                               int64_t now_ns) {
  if (status.ok()) {
    cache.keep(std::move(cached_), history_);
  } else {
    cache.drop(std::move(cached_));
  }
  return {.request = submission_->id,
          .reason = reason,
          .status = std::move(status),
          .prompt_tokens = std::ssize(request().prompt),
          .reused_tokens = reused_tokens_,
          .tokens = tokens_,
          .submitted_ns = submission_->submitted_ns,
          .ended_ns = now_ns,
          .admitted_ns = admitted_ns_,
          .first_token_ns = first_token_ns_};
}

}  // namespace bitnetc
