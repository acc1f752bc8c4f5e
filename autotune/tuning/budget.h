// Shares the time of a tuning run among its contests. Contests that need less leave the rest to
// later ones; contests that take more take it from them.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace bitnetc {

class Budget {
 public:
  // `costs`: of the jobs in their order, in any unit. `now_s`: empty for the steady clock.
  Budget(double budget_s, std::vector<double> costs, std::function<double()> now_s = {});

  bool is_spent() const { return now_s_() >= end_s_; }
  // Seconds of measuring for the next job, 5 ms at least: its share, by cost, of the time that is
  // left after building, checking and filling memory for all remaining jobs.
  double next_s();
  // What the previous job took besides measuring.
  void add_outside(double seconds) { outside_s_ += seconds; }

 private:
  std::function<double()> now_s_;
  double end_s_, cost_left_ = 0, outside_s_ = 0;
  std::vector<double> costs_;
  size_t begun_ = 0;
};

}  // namespace bitnetc
