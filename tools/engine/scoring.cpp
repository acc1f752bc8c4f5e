#include "tools/engine/scoring.h"

#include <algorithm>
#include <cmath>

namespace bitnetc {
namespace {

int32_t likeliest(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

Status check_windows(const WindowOptions& options, int64_t context_tokens) {
  if (options.window < 2 || options.window > context_tokens)
    return make_error(StatusCode::kInvalidArgument,
                      "a window of {} tokens: expected 2 to {}, the context of the model",
                      options.window, context_tokens);
  if (options.stride < 1 || options.stride > options.window)
    return make_error(StatusCode::kInvalidArgument,
                      "a stride of {} tokens: expected 1 to {}, the window", options.stride,
                      options.window);
  return {};
}

// The inputs of the window that starts at ids[start], and where what it predicts lies.
struct Window {
  std::vector<int32_t> inputs;
  int64_t first_target;  // inputs[i] predicts ids[first_target + i]
};

Window window_at(std::span<const int32_t> ids, int64_t start, const WindowOptions& options) {
  Window window{.inputs = {}, .first_target = options.begin_id ? start : start + 1};
  if (options.begin_id) window.inputs.push_back(*options.begin_id);
  const auto count = static_cast<int64_t>(ids.size());
  // The last token of the text predicts nothing that is known.
  for (int64_t i = start; i + 1 < count; ++i) {
    if (static_cast<int64_t>(window.inputs.size()) == options.window) break;
    window.inputs.push_back(ids[static_cast<size_t>(i)]);
  }
  return window;
}

}  // namespace

LogProbabilities::LogProbabilities(std::span<const float> logits)
    : logits_(logits), highest_(*std::max_element(logits.begin(), logits.end())) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double{logit} - highest_);
  log_sum_ = std::log(sum);
}

double LogProbabilities::of(int32_t id) const {
  return double{logits_[static_cast<size_t>(id)]} - highest_ - log_sum_;
}

double log_probability(std::span<const float> logits, int32_t id) {
  return LogProbabilities(logits).of(id);
}

double TextScore::mean_nll() const {
  double sum = 0;
  for (const double each : nll) sum += each;
  return sum / static_cast<double>(nll.size());
}

double TextScore::standard_error() const {
  const auto count = static_cast<double>(nll.size());
  if (nll.size() < 2) return 0;
  const double mean = mean_nll();
  double squares = 0;
  for (const double each : nll) squares += (each - mean) * (each - mean);
  return std::sqrt(squares / (count - 1) / count);
}

double TextScore::perplexity() const {
  return std::exp(mean_nll());
}

Result<TextScore> score_text(Session& session, std::span<const int32_t> ids,
                             const WindowOptions& options,
                             const std::function<void(int64_t done, int64_t total)>& progress,
                             const CancelToken* cancel) {
  BITNETC_RETURN_IF_ERROR(check_windows(options, session.context_tokens()));
  const auto count = static_cast<int64_t>(ids.size());
  int64_t next = options.begin_id ? 0 : 1;  // the first token that is not scored yet
  const int64_t total = count - next;
  if (total < 1)
    return make_error(StatusCode::kInvalidArgument,
                      "a text of {} tokens has none to score; expected a longer one", count);
  TextScore score;
  score.nll.reserve(static_cast<size_t>(total));
  for (int64_t start = 0; next < count; start += options.stride) {
    const Window window = window_at(ids, start, options);
    const std::span<const int32_t> inputs = window.inputs;
    // Inputs that predict what is scored already only fill the cache.
    const auto known = static_cast<size_t>(next - window.first_target);
    session.reset();
    if (known > 0) BITNETC_RETURN_IF_ERROR(session.append(inputs.first(known), cancel));
    BITNETC_RETURN_IF_ERROR(session.append_all_logits(
        inputs.subspan(known),
        [&](int64_t position, std::span<const float> logits) {
          const auto target = static_cast<size_t>(window.first_target + position);
          score.nll.push_back(-log_probability(logits, ids[target]));
        },
        cancel));
    next = window.first_target + static_cast<int64_t>(inputs.size());
    ++score.windows;
    if (progress) progress(static_cast<int64_t>(score.nll.size()), total);
  }
  return score;
}

Result<ContinuationScore> score_continuation(Session& session, std::span<const int32_t> context,
                                             std::span<const int32_t> continuation,
                                             const CancelToken* cancel) {
  BITNETC_CHECK(!context.empty() && !continuation.empty(), "{} and {} tokens", context.size(),
                continuation.size());
  // The last token is predicted and never fed.
  const auto positions = static_cast<int64_t>(context.size() + continuation.size()) - 1;
  if (positions > session.context_tokens())
    return make_error(StatusCode::kInvalidArgument,
                      "context and continuation take {} positions; expected at most {}", positions,
                      session.context_tokens());
  ContinuationScore score{.tokens = static_cast<int64_t>(continuation.size())};
  const auto add = [&](std::span<const float> logits, int32_t id) {
    score.log_probability += log_probability(logits, id);
    score.is_greedy = score.is_greedy && likeliest(logits) == id;
  };
  session.reset();
  BITNETC_RETURN_IF_ERROR(session.append(context, cancel));
  add(session.logits(), continuation.front());
  if (continuation.size() == 1) return score;
  BITNETC_RETURN_IF_ERROR(session.append_all_logits(
      continuation.first(continuation.size() - 1),
      [&](int64_t position, std::span<const float> logits) {
        const auto next = static_cast<size_t>(position) - context.size() + 1;
        add(logits, continuation[next]);
      },
      cancel));
  return score;
}

}  // namespace bitnetc
