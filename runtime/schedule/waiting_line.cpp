#include "runtime/schedule/waiting_line.h"

#include <algorithm>

namespace bitnetc {

void WaitingLine::add(SubmissionPtr submission) {
  line_.push_back(std::move(submission));
}

SubmissionPtr WaitingLine::take(const std::function<bool(const Submission&)>& admit) {
  std::vector<SubmissionPtr> order = line_;
  std::ranges::stable_sort(order, [&](const SubmissionPtr& a, const SubmissionPtr& b) {
    if (is_due(*a) || is_due(*b)) return is_due(*a) && !is_due(*b);
    return a->request.priority > b->request.priority;
  });
  for (const SubmissionPtr& next : order) {
    if (admit(*next)) {
      for (const SubmissionPtr& other : line_)
        if (other->id < next->id) ++other->overtakes;
      std::erase(line_, next);
      return next;
    }
    if (is_due(*next)) return nullptr;
  }
  return nullptr;
}

std::vector<SubmissionPtr> WaitingLine::remove(
    const std::function<bool(const Submission&)>& is_unwanted) {
  std::vector<SubmissionPtr> removed;
  for (const SubmissionPtr& submission : line_)
    if (is_unwanted(*submission)) removed.push_back(submission);
  for (const SubmissionPtr& submission : removed) std::erase(line_, submission);
  return removed;
}

std::optional<int64_t> WaitingLine::oldest_ns() const {
  return line_.empty() ? std::nullopt : std::optional(line_.front()->submitted_ns);
}

}  // namespace bitnetc
