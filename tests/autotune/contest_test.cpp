// Contests without measuring: entrants whose times are scripted, and a clock that only they
// advance.
#include "autotune/contest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace bitnetc {
namespace {

constexpr int kSeeds = 40;

// A machine with scripted contestants.
class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {}

  // What a call takes, by the contestant's own time, the clock and chance.
  std::function<double(World&, double cost_s)> disturb = [](World&, double cost_s) {
    return cost_s;
  };

  void add(double cost_s, double predicted_s = 0) {
    entrants.push_back({.run =
                            [this, cost_s](int64_t calls) {
                              ++samples;
                              const double seconds =
                                  static_cast<double>(calls) * disturb(*this, cost_s);
                              now_s += seconds;
                              return seconds;
                            },
                        .predicted_s = predicted_s});
  }
  double normal() { return std::normal_distribution<double>(0, 1)(random_); }
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  ContestOptions options(double budget_s = 1) {
    return {.budget_s = budget_s, .now_s = [this] { return now_s; }};
  }
  ContestResult hold(const ContestOptions& options) {
    auto result = hold_contest(entrants, options);
    EXPECT_TRUE(result.ok()) << result.status().message();
    return *std::move(result);
  }
  ContestResult hold() { return hold(options()); }

  double now_s = 1000;
  int64_t samples = 0;
  std::vector<Entrant> entrants;

 private:
  std::mt19937_64 random_;
};

double with_noise(World& world, double cost_s, double share) {
  return cost_s * std::max(0.2, 1 + share * world.normal());
}
void make_noisy(World& world, double share) {
  world.disturb = [share](World& w, double cost_s) { return with_noise(w, cost_s, share); };
}

// Costs of 2 % more each, shuffled; returns the place of the least.
size_t add_ladder(World& world, int contestants, uint64_t seed, double gap = 0.02) {
  std::vector<int> steps(static_cast<size_t>(contestants));
  std::iota(steps.begin(), steps.end(), 0);
  std::mt19937_64 random(seed);
  std::shuffle(steps.begin(), steps.end(), random);
  for (const int step : steps) world.add(100e-6 * (1 + gap * step));
  return static_cast<size_t>(std::min_element(steps.begin(), steps.end()) - steps.begin());
}

TEST(Contest, FindsTheBestOfEverySeedDespiteNoise) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    World world(seed);
    make_noisy(world, 0.05);
    const size_t best = add_ladder(world, 24, seed);
    const ContestResult result = world.hold();
    EXPECT_EQ(result.standings.front().entrant, best) << seed;
    EXPECT_EQ(result.standings.size(), 24u);
    EXPECT_NEAR(result.standings.front().median_s, 100e-6, 4e-6) << seed;
    EXPECT_LE(result.standings.front().low_s, result.standings.front().median_s);
    EXPECT_GE(result.standings.front().high_s, result.standings.front().median_s);
  }
}

TEST(Contest, OutliersDoNotDecide) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    World world(seed);
    world.disturb = [](World& w, double cost_s) {
      return with_noise(w, cost_s, 0.02) * (w.uniform() < 0.1 ? 10 : 1);
    };
    const size_t best = add_ladder(world, 16, seed, 0.03);
    EXPECT_EQ(world.hold().standings.front().entrant, best) << seed;
  }
}

TEST(Contest, AMachineThatSlowsDownSlowsAllAlike) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    World world(seed);
    world.disturb = [](World& w, double cost_s) {
      return with_noise(w, cost_s, 0.01) *
             (1 + 0.5 * (w.now_s - 1000));  // half as slow again in a second
    };
    const size_t best = add_ladder(world, 16, seed);
    EXPECT_EQ(world.hold().standings.front().entrant, best) << seed;
  }
}

TEST(Contest, ATurboClockDoesNotDecide) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    World world(seed);
    bool turbo = true;
    world.disturb = [&](World& w, double cost_s) {
      if (w.uniform() < 0.02) turbo = !turbo;
      return with_noise(w, cost_s, 0.01) * (turbo ? 1 : 1.3);
    };
    const size_t best = add_ladder(world, 16, seed);
    EXPECT_EQ(world.hold().standings.front().entrant, best) << seed;
  }
}

TEST(Contest, EqualOnesAreATie) {
  int ties = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    World world(seed);
    make_noisy(world, 0.02);
    world.add(100e-6);
    world.add(100e-6);
    world.add(150e-6);
    const ContestResult result = world.hold();
    ties += result.confidence == Confidence::kTie;
    EXPECT_NE(result.standings[0].entrant, 2u);
    EXPECT_EQ(result.standings[2].entrant, 2u);
  }
  EXPECT_GE(ties, kSeeds - 1);  // intervals are wrong now and then, and say so in advance
}

TEST(Contest, ADifferenceThatDoesNotMatterIsATie) {
  World world(1);
  world.add(100e-6);
  world.add(100.4e-6);  // 0.4 %, and known for sure
  const ContestResult result = world.hold();
  EXPECT_EQ(result.confidence, Confidence::kTie);
  EXPECT_EQ(result.standings.front().entrant, 0u);
  EXPECT_NEAR(result.lead, 1.004, 1e-9);
  EXPECT_LT(result.took_s, 0.1);
}

TEST(Contest, AClearLeadIsSureAndSoonKnown) {
  World world(1);
  make_noisy(world, 0.02);
  for (int i = 0; i < 20; ++i) world.add(i == 13 ? 80e-6 : 100e-6);
  const ContestResult result = world.hold(world.options(60));
  EXPECT_EQ(result.standings.front().entrant, 13u);
  EXPECT_EQ(result.confidence, Confidence::kSure);
  EXPECT_NEAR(result.lead, 1.25, 0.03);
  EXPECT_LT(result.took_s, 1);
}

TEST(Contest, HopelessNoiseIsSaidAfterTryingLonger) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    World noisy(seed), calm(seed);
    noisy.disturb = [](World& w, double cost_s) { return cost_s * std::exp(1.5 * w.normal()); };
    for (World* world : {&noisy, &calm})
      for (int i = 0; i < 4; ++i) world->add(100e-6 * (1 + 0.02 * i));
    const ContestOptions options = noisy.options(0.2);
    const ContestResult result = noisy.hold(options);
    EXPECT_EQ(result.confidence, Confidence::kNoisy) << seed;
    EXPECT_GT(result.disturbance, 0.5);
    EXPECT_GT(result.took_s, options.budget_s * options.stretch * 0.9);
    EXPECT_LT(result.took_s, options.budget_s * options.stretch * 1.1);
    EXPECT_EQ(calm.hold(calm.options(0.2)).confidence, Confidence::kSure);
    EXPECT_GT(noisy.samples, 4 * calm.samples);
  }
}

TEST(Contest, SteadyDriftOfTheFinalIsNoise) {
  World world(1);
  world.disturb = [](World& w, double cost_s) { return cost_s * std::exp(2 * (w.now_s - 1000)); };
  world.add(100e-6);
  world.add(120e-6);
  const ContestResult result = world.hold();
  EXPECT_EQ(result.standings.front().entrant, 0u);
  EXPECT_EQ(result.confidence, Confidence::kSure);  // known before the clock moved much
  World fast(1);
  fast.disturb = [](World& w, double cost_s) { return cost_s * std::exp(200 * (w.now_s - 1000)); };
  fast.add(100e-6);
  fast.add(120e-6);
  const ContestResult drifting = fast.hold(fast.options(0.05));
  EXPECT_EQ(drifting.standings.front().entrant, 0u);
  EXPECT_EQ(drifting.confidence, Confidence::kNoisy);
  EXPECT_GT(drifting.drift, 0.1);
}

TEST(Contest, DriftIsSeenWhereManySamplesMakeIntervalsNarrow) {
  for (const double per_second : {0.0, 1.5}) {
    World world(1);
    world.disturb = [&](World& w, double cost_s) {
      return with_noise(w, cost_s, 0.05) * (1 + per_second * (w.now_s - 1000));
    };
    world.add(100e-6);
    world.add(100e-6);
    const ContestResult result = world.hold(world.options(0.3));
    const Standing& best = result.standings.front();
    EXPECT_LT((best.high_s - best.low_s) / best.median_s, 0.1);
    EXPECT_EQ(result.confidence, per_second > 0 ? Confidence::kNoisy : Confidence::kTie);
  }
}

TEST(Contest, TheBudgetIsKept) {
  for (const double budget_s : {0.02, 0.1, 0.5, 2.0}) {
    World world(3);
    make_noisy(world, 0.05);
    for (int i = 0; i < 40; ++i) world.add(100e-6 * (1 + 0.001 * i));
    ContestOptions options = world.options(budget_s);
    options.stretch = 1;
    const ContestResult result = world.hold(options);
    EXPECT_FALSE(result.standings.empty());
    // The least that is said of a pair: six blocks of four samples of twice sample_s at most.
    EXPECT_LT(result.took_s, budget_s + 26 * 2 * options.sample_s) << budget_s;
    EXPECT_EQ(result.standings.size() + result.late.size(), 40u);
    if (budget_s >= 0.5) {
      EXPECT_GE(result.standings.front().heats, 4) << budget_s;
    }
  }
}

TEST(Contest, WithoutTimeForHeatsTheOrderIsNotTrusted) {
  World world(3);
  for (int i = 0; i < 10; ++i) world.add(10e-3 * (1 + 0.05 * i));
  const ContestResult result = world.hold(world.options(0.15));
  EXPECT_EQ(result.confidence, Confidence::kNoisy);
  EXPECT_FALSE(result.late.empty());
}

TEST(Contest, FarFewerSamplesThanMeasuringAllAsWellAsTheWinner) {
  World world(5);
  make_noisy(world, 0.03);
  for (int i = 0; i < 60; ++i) world.add(100e-6 * (1 + 0.05 * i));
  const ContestResult result = world.hold();
  EXPECT_EQ(result.standings.front().entrant, 0u);
  EXPECT_LT(world.samples, 60 * result.standings.front().samples / 3);
  EXPECT_LT(result.standings.back().samples, 8);
}

TEST(Contest, TheBestPredictedGoesFirstAndTheHopelessNotAtAll) {
  World world(1);
  std::vector<double> order;
  for (const double predicted_s : {300e-6, 0.0, 100e-6, 5000e-6, 200e-6}) {
    world.add(110e-6, predicted_s);
    world.entrants.back().prepare = [&order, predicted_s] {
      order.push_back(predicted_s);
      return true;
    };
  }
  const ContestResult result = world.hold();
  EXPECT_EQ(order, (std::vector<double>{100e-6, 200e-6, 300e-6, 0}));
  EXPECT_EQ(result.hopeless, std::vector<size_t>{3});
}

TEST(Contest, TheDefaultIsComparedWithHoweverShortTheTime) {
  World world(1);
  for (int i = 0; i < 20; ++i) world.add(100e-6 + 1e-6 * i, 50e-6 + 1e-6 * i);
  world.entrants[17].is_default = true;
  const ContestResult result = world.hold(world.options(1e-3));
  EXPECT_FALSE(result.late.empty());
  EXPECT_TRUE(std::any_of(result.standings.begin(), result.standings.end(),
                          [](const Standing& each) { return each.entrant == 17; }));
}

TEST(Contest, AWinnerThatWasPredictedTenTimesTooSlowWins) {
  World world(1);
  make_noisy(world, 0.03);
  for (int i = 0; i < 10; ++i) world.add(100e-6 * (1 + 0.05 * i), 100e-6 * (1 + 0.05 * i));
  world.add(90e-6, 900e-6);
  EXPECT_EQ(world.hold().standings.front().entrant, 10u);
}

TEST(Contest, PredictionsThatAreAllTooLongRuleNobodyOut) {
  World world(1);
  for (int i = 0; i < 5; ++i) world.add(100e-6 - 5e-6 * i, 1 + 0.1 * i);
  const ContestResult result = world.hold();
  EXPECT_TRUE(result.hopeless.empty());
  EXPECT_EQ(result.standings.front().entrant, 4u);
}

TEST(Contest, WhoIsNotReadyDoesNotTakePart) {
  World world(1);
  world.add(50e-6);
  world.add(100e-6);
  world.entrants[0].prepare = [] { return false; };
  world.entrants[1].prepare = [&] {
    world.now_s += 3600;  // does not count
    return true;
  };
  const ContestResult result = world.hold();
  ASSERT_EQ(result.standings.size(), 1u);
  EXPECT_EQ(result.standings.front().entrant, 1u);
  EXPECT_LT(result.took_s, 1);
}

TEST(Contest, TimesThatCannotBeAreRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double wrong : {0.0, -1e-4, nan, std::numeric_limits<double>::infinity()}) {
    World world(1);
    world.add(100e-6);
    world.entrants.push_back({.run = [&, wrong](int64_t) {
      world.now_s += 1e-4;
      return wrong;
    }});
    world.add(120e-6);
    const ContestResult result = world.hold();
    ASSERT_EQ(result.standings.size(), 2u) << wrong;
    EXPECT_EQ(result.standings[0].entrant, 0u);
    EXPECT_EQ(result.refused, std::vector<size_t>{1});
  }
}

TEST(Contest, ARefusedSampleNowAndThenIsLeftOut) {
  World world(1);
  world.disturb = [](World& w, double cost_s) {
    return with_noise(w, cost_s, 0.02) * (w.uniform() < 0.1 ? -1 : 1);
  };
  for (int i = 0; i < 6; ++i) world.add(100e-6 * (1 + 0.05 * i));
  // A negative sample turns this world's clock back, which is another matter.
  double forward_s = 0;
  ContestOptions options = world.options();
  options.now_s = [&] { return forward_s += 2e-4; };
  const ContestResult result = world.hold(options);
  EXPECT_EQ(result.standings.front().entrant, 0u);
  EXPECT_GT(result.standings.front().low_s, 80e-6);
}

TEST(Contest, PairsThatAreNeverWholeEndWithTheTime) {
  World world(1);
  world.disturb = [](World& w, double cost_s) { return w.samples % 4 == 3 ? -cost_s : cost_s; };
  world.add(100e-6);
  world.add(150e-6);
  double forward_s = 0;
  ContestOptions options = world.options(0.1);
  options.now_s = [&] { return forward_s += 1e-4; };
  EXPECT_EQ(world.hold(options).confidence, Confidence::kNoisy);
  EXPECT_LT(world.samples, 100'000);
}

TEST(Contest, AClockThatGoesBackwardsIsAnError) {
  World world(1);
  world.add(100e-6);
  world.add(110e-6);
  int readings = 0;
  ContestOptions options = world.options();
  options.now_s = [&] { return ++readings == 8 ? 0 : world.now_s; };
  const auto result = hold_contest(world.entrants, options);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(result.status().message().find("went backwards"), std::string::npos)
      << result.status().message();
}

TEST(Contest, AClockThatStandsStillIsAnErrorAndNoEndlessLoop) {
  for (const int contestants : {1, 2, 9}) {
    World world(1);
    make_noisy(world, 0.5);
    for (int i = 0; i < contestants; ++i) world.add(100e-6);
    ContestOptions options = world.options();
    options.now_s = [] { return 5.0; };
    const auto result = hold_contest(world.entrants, options);
    if (result.ok()) {  // it was all done before anybody could notice
      EXPECT_LT(world.samples, 1000);
      continue;
    }
    EXPECT_NE(result.status().message().find("stands still"), std::string::npos)
        << result.status().message();
  }
}

TEST(Contest, CancelledBetweenTwoSamplesKeepsWhatThereIs) {
  for (const int64_t after : {0, 1, 5, 40, 100}) {
    World world(2);
    make_noisy(world, 0.05);
    for (int i = 0; i < 8; ++i) world.add(100e-6 * (1 + 0.01 * i));
    ContestOptions options = world.options();
    options.is_cancelled = [&] { return world.samples >= after; };
    const ContestResult result = world.hold(options);
    EXPECT_TRUE(result.cancelled);
    EXPECT_LE(world.samples, after + 1);
    EXPECT_LE(result.standings.size(), 8u);
    EXPECT_EQ(result.standings.empty(), after == 0);
    if (after == 100) {
      EXPECT_EQ(result.standings.size(), 8u);
    }
  }
}

TEST(Contest, OneAloneIsTimedUntilItsTimeIsKnown) {
  World world(1);
  make_noisy(world, 0.05);
  world.add(100e-6);
  const ContestResult result = world.hold();
  ASSERT_EQ(result.standings.size(), 1u);
  EXPECT_EQ(result.confidence, Confidence::kSure);
  EXPECT_NEAR(result.standings.front().median_s, 100e-6, 5e-6);
  EXPECT_EQ(result.lead, 0);
  EXPECT_LT(result.took_s, 0.2);
}

TEST(Contest, NobodyIsNoProblem) {
  const auto result = hold_contest({}, {});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->standings.empty());
}

}  // namespace
}  // namespace bitnetc
