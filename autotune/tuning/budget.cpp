#include "autotune/tuning/budget.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "autotune/kernel_measure.h"

namespace bitnetc {

Budget::Budget(double budget_s, std::vector<double> costs, std::function<double()> now_s)
    : now_s_(now_s ? std::move(now_s) : steady_now_s),
      end_s_(now_s_() + budget_s),
      cost_left_(std::accumulate(costs.begin(), costs.end(), 0.0)),
      costs_(std::move(costs)) {}

double Budget::next_s() {
  constexpr double kLeast_s = 5e-3, kOutsideGuess_s = 30e-3;
  const double outside_s = begun_ == 0 ? kOutsideGuess_s : outside_s_ / static_cast<double>(begun_);
  const double left_s = end_s_ - now_s_() - outside_s * static_cast<double>(costs_.size() - begun_);
  const double cost = costs_[begun_++];
  const double share = cost / cost_left_;
  cost_left_ -= cost;
  return std::max(kLeast_s, left_s * share);
}

}  // namespace bitnetc
