#include "runtime/schedule/inbox.h"

#include <utility>

namespace bitnetc {

Result<RequestId> Inbox::add(SubmissionPtr submission) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return Status(StatusCode::kCancelled, "the scheduler takes no more requests");
  if (waiting_ >= most_waiting_)
    return make_error(StatusCode::kOutOfMemory,
                      "{} requests wait already, at most {} may: try again later", waiting_,
                      most_waiting_);
  submission->id = ++last_id_;
  known_.emplace(submission->id, submission);
  new_.push_back(std::move(submission));
  ++waiting_;
  changed_.notify_all();
  return last_id_;
}

bool Inbox::cancel(RequestId request) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(request);
  if (found == known_.end()) return false;
  found->second->is_cancelled = true;
  return true;
}

void Inbox::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, submission] : known_) submission->is_cancelled = true;
}

void Inbox::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  changed_.notify_all();
}

bool Inbox::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !new_.empty() || is_closed_; });
  return !new_.empty();
}

std::vector<SubmissionPtr> Inbox::take_new() {
  const std::lock_guard lock(mutex_);
  return std::exchange(new_, {});
}

void Inbox::say_admitted() {
  const std::lock_guard lock(mutex_);
  --waiting_;
}

void Inbox::say_ended(RequestId request, bool was_admitted) {
  const std::lock_guard lock(mutex_);
  known_.erase(request);
  if (!was_admitted) --waiting_;
}

void Inbox::set_stats(const SchedulerStats& stats) {
  const std::lock_guard lock(mutex_);
  stats_ = stats;
}

SchedulerStats Inbox::stats() const {
  const std::lock_guard lock(mutex_);
  SchedulerStats stats = stats_;
  stats.waiting = waiting_;
  return stats;
}

}  // namespace bitnetc
