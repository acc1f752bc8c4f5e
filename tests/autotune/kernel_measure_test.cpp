// The measuring engine without measuring: contestants that say how long they took, and a clock that
// is told.
#include "autotune/kernel_measure.h"

#include <gtest/gtest.h>

#include <string>

namespace bitnetc {
namespace {

TEST(Summarise, QuantilesOfKnownSamples) {
  const SampleSummary five = summarise({5, 1, 4, 2, 3});
  EXPECT_EQ(five.samples, 5);
  EXPECT_EQ(five.min, 1);
  EXPECT_EQ(five.q1, 2);
  EXPECT_EQ(five.median, 3);
  EXPECT_EQ(five.q3, 4);
}

TEST(Summarise, InterpolatesBetweenNeighbours) {
  const SampleSummary four = summarise({10, 20, 30, 40});
  EXPECT_DOUBLE_EQ(four.q1, 17.5);
  EXPECT_DOUBLE_EQ(four.median, 25);
  EXPECT_DOUBLE_EQ(four.q3, 32.5);
}

TEST(Summarise, OneSampleAndNone) {
  const SampleSummary one = summarise({7});
  EXPECT_EQ(one.q1, 7);
  EXPECT_EQ(one.q3, 7);
  EXPECT_EQ(summarise({}).samples, 0);
}

// Contestants that take scripted times, advance the clock by them and write down who ran.
class Script {
 public:
  Contestant contestant(char name, double seconds_per_call) {
    return [this, name, seconds_per_call](int64_t calls) {
      order_ += name;
      calls_.push_back(calls);
      const double seconds = seconds_per_call * static_cast<double>(calls);
      now_ += seconds;
      return seconds;
    };
  }
  SamplingOptions options() {
    return {.budget_s = 0, .sample_s = 1, .min_rounds = 3, .max_rounds = 10, .now_s = [this] {
              return now_;
            }};
  }
  const std::string& order() const { return order_; }
  int64_t last_calls() const { return calls_.back(); }

 private:
  double now_ = 100;
  std::string order_;
  std::vector<int64_t> calls_;
};

TEST(SampleRoundRobin, EveryRoundBeginsWithTheNext) {
  Script script;
  const std::vector<Contestant> contestants = {script.contestant('a', 1), script.contestant('b', 2),
                                               script.contestant('c', 3)};
  const auto summaries = sample_round_robin(contestants, script.options());
  EXPECT_EQ(script.order(),
            "aabbcc"  // warm up, then measure how often a sample repeats
            "abc"
            "bca"
            "cab");
  ASSERT_EQ(summaries.size(), 3u);
  EXPECT_EQ(summaries[1].samples, 3);
  EXPECT_EQ(summaries[1].median, 2);
}

TEST(SampleRoundRobin, ShortWorkIsRepeatedAndReportedPerCall) {
  Script script;
  const std::vector<Contestant> contestants = {script.contestant('a', 1.0 / 64)};
  const auto summaries = sample_round_robin(contestants, script.options());
  EXPECT_EQ(script.last_calls(), 32);
  EXPECT_DOUBLE_EQ(summaries[0].median, 1.0 / 64);
}

TEST(SampleRoundRobin, GoesOnUntilTheBudgetIsSpentOrTheRoundsAre) {
  Script script;
  const std::vector<Contestant> contestants = {script.contestant('a', 1)};
  SamplingOptions options = script.options();
  options.budget_s = 8;  // two of them for the warm-up
  EXPECT_EQ(sample_round_robin(contestants, options)[0].samples, 6);
  options.budget_s = 1e9;
  EXPECT_EQ(sample_round_robin(contestants, options)[0].samples, options.max_rounds);
}

TEST(SampleRoundRobin, CancelledKeepsWhatThereIs) {
  Script script;
  const std::vector<Contestant> contestants = {script.contestant('a', 1),
                                               script.contestant('b', 1)};
  SamplingOptions options = script.options();
  options.is_cancelled = [&] { return script.order().size() >= 7; };
  const auto summaries = sample_round_robin(contestants, options);
  EXPECT_EQ(summaries[0].samples, 1);
  EXPECT_EQ(summaries[1].samples, 2);
}

TEST(SampleRoundRobin, NobodyIsNoProblem) {
  EXPECT_TRUE(sample_round_robin({}, {.budget_s = 0}).empty());
}

}  // namespace
}  // namespace bitnetc
