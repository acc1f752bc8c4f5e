#include <gtest/gtest.h>

#include "autotune/tuning/budget.h"

namespace bitnetc {
namespace {

class BudgetTest : public testing::Test {
 protected:
  Budget budget(double seconds, std::vector<double> costs) {
    return Budget(seconds, std::move(costs), [this] { return now_s_; });
  }
  double now_s_ = 50;
};

TEST_F(BudgetTest, SharesByCostAndPassesOnWhatIsLeftOver) {
  Budget each = budget(10, {1, 3, 1});
  EXPECT_DOUBLE_EQ(each.next_s(), (10 - 3 * 0.03) / 5);  // guesses 30 ms beside measuring
  now_s_ += 1;                                           // measured for 0.9 s, less than it might
  each.add_outside(0.1);
  EXPECT_DOUBLE_EQ(each.next_s(), (9 - 2 * 0.1) * 3 / 4);
  now_s_ += 7;
  each.add_outside(0.3);
  EXPECT_DOUBLE_EQ(each.next_s(), 2 - 0.2);  // 0.2 s beside measuring on average
  EXPECT_FALSE(each.is_spent());
}

TEST_F(BudgetTest, AJobThatIsBegunGetsALeast) {
  Budget each = budget(1, {1, 1});
  now_s_ += 0.999;
  EXPECT_DOUBLE_EQ(each.next_s(), 5e-3);
  now_s_ += 0.01;
  EXPECT_TRUE(each.is_spent());
}

}  // namespace
}  // namespace bitnetc
