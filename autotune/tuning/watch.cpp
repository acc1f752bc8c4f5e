#include "autotune/tuning/watch.h"

#include <utility>

#include "autotune/kernel_measure.h"

namespace bitnetc {

Watch::Watch(std::function<double()> now_s)
    : now_s_(now_s ? std::move(now_s) : steady_now_s), start_s_(now_s_()), last_s_(start_s_) {}

double Watch::elapsed_s() {
  constexpr int kMostReadingsAtOnce = 1000;
  const double now = now_s_();
  if (!(now >= last_s_) && problem_.ok())
    problem_ = make_error(StatusCode::kUnsupported,
                          "the steady clock went backwards, from {} s to {} s: nothing can be "
                          "measured with it",
                          last_s_, now);
  readings_at_once_ = now > last_s_ ? 0 : readings_at_once_ + 1;
  if (readings_at_once_ > kMostReadingsAtOnce && problem_.ok())
    problem_ =
        make_error(StatusCode::kUnsupported,
                   "the steady clock stands still at {} s: nothing can be measured with it", now);
  last_s_ = now;
  return now - start_s_ - passed_over_s_;
}

}  // namespace bitnetc
