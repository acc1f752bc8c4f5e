// Watches the clock of a budget, because a loop that waits for a stopped clock never ends.
#pragma once

#include <functional>

#include "runtime/status.h"

namespace bitnetc {

class Watch {
 public:
  // `now_s`: empty for the steady clock.
  explicit Watch(std::function<double()> now_s);

  // Seconds since the start, without those passed over. To be read with work in between.
  double elapsed_s();
  // Does the work without counting its time.
  template <typename Work>
  auto pass_over(const Work& work) {
    const double before = elapsed_s();
    auto result = work();
    passed_over_s_ += elapsed_s() - before;
    return result;
  }
  // kUnsupported once the clock went backwards, or stood still for a thousand readings.
  const Status& problem() const { return problem_; }

 private:
  std::function<double()> now_s_;
  double start_s_, last_s_, passed_over_s_ = 0;
  int readings_at_once_ = 0;
  Status problem_;
};

}  // namespace bitnetc
