#include "runtime/schedule/prompt_pace.h"

#include <algorithm>

namespace bitnetc {
namespace {

constexpr double kNewShare = 0.25;  // of the latest time in what is known
// Of a pass for prompts alone; in a shorter one reading the weights takes most of the time.
constexpr int64_t kTellingRows = 32;

void blend(double& known, double latest) {
  known = known == 0 ? latest : known + kNewShare * (latest - known);
}

}  // namespace

double PromptPace::text_ns(int64_t texts) const {
  for (int64_t count = std::min<int64_t>(texts, std::ssize(text_ns_) - 1); count > 0; --count)
    if (const double ns = text_ns_[static_cast<size_t>(count)]; ns > 0) return ns;
  return 0;
}

int64_t PromptPace::rows(int64_t texts, int64_t prompts, int64_t most) const {
  const double alone_ns = text_ns(texts);
  if (alone_ns == 0 || row_ns_ == 0) return most;
  const double outnumbered = static_cast<double>(prompts) / static_cast<double>(texts);
  const double rows = alone_ns * std::max(1.0, outnumbered) / row_ns_;
  return static_cast<int64_t>(
      std::clamp(rows, static_cast<double>(std::min(kLeastRows, most)), static_cast<double>(most)));
}

void PromptPace::note(int64_t texts, int64_t prompt_rows, int64_t ns) {
  const auto taken = static_cast<double>(ns);
  if (prompt_rows == 0) {
    if (std::ssize(text_ns_) <= texts) text_ns_.resize(static_cast<size_t>(texts) + 1);
    blend(text_ns_[static_cast<size_t>(texts)], taken);
  } else if (texts == 0) {
    if (prompt_rows >= kTellingRows) blend(row_ns_, taken / static_cast<double>(prompt_rows));
  } else if (const double alone_ns = text_ns(texts); alone_ns > 0) {
    blend(row_ns_, std::max(taken - alone_ns, 0.0) / static_cast<double>(prompt_rows));
  }
}

}  // namespace bitnetc
