// How likely a model finds a text: perplexity over windows of a long text, and the likelihood of a
// continuation after a context. Probabilities are those of the full softmax at temperature 1, in
// double precision over the model's fp32 logits, natural logarithms throughout. They depend on the
// tokens and the windows alone, not on the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "runtime/cancel_token.h"
#include "runtime/session.h"
#include "runtime/status.h"

namespace bitnetc {

// ln p of ids under softmax(logits). `logits`: finite, not empty, valid while this is used.
class LogProbabilities {
 public:
  explicit LogProbabilities(std::span<const float> logits);
  double of(int32_t id) const;  // id < logits.size()

 private:
  const std::span<const float> logits_;
  double highest_ = 0, log_sum_ = 0;
};
double log_probability(std::span<const float> logits, int32_t id);

// Window i starts at token i * stride of the text. Its input is `begin_id`, if there is one, and
// the tokens from there on, `window` positions in all; each position predicts the token that
// follows it. Every token of the text is scored once, by the first window that predicts it. The
// first one is not scored where there is no begin_id to predict it.
struct WindowOptions {
  int64_t window = 512;             // positions, at least 2
  int64_t stride = 512;             // 1 to window: a scored token sees window - stride tokens
  std::optional<int32_t> begin_id;  // begin-of-text
};

struct TextScore {
  int64_t windows = 0;
  std::vector<double> nll;  // -ln p of each scored token, in order of the text

  double mean_nll() const;
  double standard_error() const;  // of the mean, as if tokens were independent; 0 below two
  double perplexity() const;      // e ^ mean
};

// `progress(done, total)`: scored tokens, after each window. Error: kInvalidArgument (a window that
// is larger than the context, a stride outside its range, a text with nothing to score); as
// Session::append().
Result<TextScore> score_text(Session& session, std::span<const int32_t> ids,
                             const WindowOptions& options,
                             const std::function<void(int64_t done, int64_t total)>& progress,
                             const CancelToken* cancel = nullptr);

struct ContinuationScore {
  int64_t tokens = 0;
  double log_probability = 0;  // of all of them, given the context
  bool is_greedy = true;       // every token is the likeliest one where it stands
};

// Both not empty. Error: kInvalidArgument where they do not fit the context; as Session::append().
Result<ContinuationScore> score_continuation(Session& session, std::span<const int32_t> context,
                                             std::span<const int32_t> continuation,
                                             const CancelToken* cancel = nullptr);

}  // namespace bitnetc
