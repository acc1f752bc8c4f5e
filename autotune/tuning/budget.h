// Shares the time of a tuning run among its contests. What one leaves over is there for those after
// it, and what one takes too much is taken from them.
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
  // Seconds of measuring for the next job: its share, by cost, of what is left when what jobs take
  // beside measuring (building, checking, filling memory) is set aside; 5 ms at least.
  double next_s();
  // What the job before took beside measuring.
  void add_outside(double seconds) { outside_s_ += seconds; }

 private:
  std::function<double()> now_s_;
  double end_s_, cost_left_ = 0, outside_s_ = 0;
  std::vector<double> costs_;
  size_t begun_ = 0;
};

}  // namespace bitnetc
