// What other threads say to the one that runs passes: requests, cancellations, that there will be
// no more. Every member may be called by any thread; callbacks are not called here.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

#include "runtime/schedule/waiting_line.h"

namespace bitnetc {

class Inbox {
 public:
  explicit Inbox(int64_t most_waiting) : most_waiting_(most_waiting) {}

  // Gives the submission its id. Error: kOutOfMemory, kCancelled as Scheduler::submit().
  Result<RequestId> add(SubmissionPtr submission);
  bool cancel(RequestId request);
  void cancel_all();
  void close();
  // Until there is a request or all is closed; whether there is a request.
  bool wait();

  std::vector<SubmissionPtr> take_new();
  void say_admitted();  // one waits less
  void say_ended(RequestId request, bool was_admitted);
  void set_stats(const SchedulerStats& stats);
  SchedulerStats stats() const;

 private:
  const int64_t most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SubmissionPtr> new_;
  std::map<RequestId, SubmissionPtr> known_;  // that have not ended
  int64_t waiting_ = 0;
  RequestId last_id_ = 0;
  bool is_closed_ = false;
  SchedulerStats stats_;
};

}  // namespace bitnetc
