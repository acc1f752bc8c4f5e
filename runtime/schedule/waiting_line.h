// Requests that wait to be admitted, and who is next. The order is that of priority, then of
// arrival. A request is overtaken by each later one that is admitted while it waits; who has been
// overtaken as often as may be comes before all others, and nobody is admitted before it.
// Used by one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/scheduler.h"

namespace bitnetc {

struct Submission {
  RequestId id = 0;
  TokenRequest request;
  int64_t most_tokens = 0;
  int64_t most_pages = 0;  // that its positions can take
  int64_t submitted_ns = 0;
  std::atomic<bool> is_cancelled = false;
  int64_t overtakes = 0;  // by others

  bool is_late(int64_t now_ns) const {
    return request.timeout_ns > 0 && now_ns - submitted_ns >= request.timeout_ns;
  }
};
using SubmissionPtr = std::shared_ptr<Submission>;

class WaitingLine {
 public:
  explicit WaitingLine(int64_t most_overtakes) : most_overtakes_(most_overtakes) {}

  // Later than all that were added before.
  void add(SubmissionPtr submission);
  // Takes out the first one in order that `admit` accepts; null: there is none. Where one does not
  // fit, those behind it may overtake it.
  SubmissionPtr take(const std::function<bool(const Submission&)>& admit);
  // Takes out all that `is_unwanted` says.
  std::vector<SubmissionPtr> remove(const std::function<bool(const Submission&)>& is_unwanted);

  int64_t size() const { return std::ssize(line_); }
  // When the one that waits longest was submitted.
  std::optional<int64_t> oldest_ns() const;

 private:
  bool is_due(const Submission& submission) const {
    return submission.overtakes >= most_overtakes_;
  }

  const int64_t most_overtakes_;
  std::vector<SubmissionPtr> line_;  // by arrival
};

}  // namespace bitnetc
