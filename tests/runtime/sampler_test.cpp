#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

namespace bitnetc {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

int32_t sample_once(const SamplingParams& params, const std::vector<float>& logits,
                    const std::vector<int32_t>& history = {}) {
  return Sampler(params).sample({.ids = {}, .logits = logits}, history).value();
}

// Pseudo-random logits, some of them equal.
std::vector<float> make_logits(size_t count, uint64_t seed) {
  Pcg32 rng(seed);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = static_cast<float>(rng.next() % 4096) / 256.0f - 8.0f;
  return logits;
}

std::vector<double> frequencies(const SamplingParams& params, const std::vector<float>& logits,
                                int draws) {
  Sampler sampler(params);
  std::vector<double> counts(logits.size());
  for (int i = 0; i < draws; ++i)
    counts[static_cast<size_t>(sampler.sample({.ids = {}, .logits = logits}, {}).value())] += 1.0;
  for (double& count : counts) count /= draws;
  return counts;
}

// Expected values from an independent implementation of the published algorithm.
TEST(Pcg32, KnownSequences) {
  const std::map<uint64_t, std::vector<uint32_t>> expected = {
      {0, {0xe823a24e, 0x7a7ecbd9, 0x89fd6c06, 0xae646aa8, 0xcd3cf945, 0x6204b303}},
      {1, {0x54352d7f, 0x6ac20236, 0x0768dd4c, 0x75560a43, 0x4065d452, 0x99b2e260}},
      {42, {0xc2f57bd6, 0x6b07c4a9, 0x72b7b29b, 0x44215383, 0xf5af5ead, 0x68beb632}},
      {~uint64_t{0}, {0xd9313036, 0xcd4b6992, 0x7b8ec69e, 0x999dd010, 0x5c4eb9ab, 0xb7673059}}};
  for (const auto& [seed, values] : expected) {
    Pcg32 rng(seed);
    for (uint32_t value : values) EXPECT_EQ(rng.next(), value) << "seed " << seed;
  }
}

TEST(Pcg32, KnownUnits) {
  Pcg32 rng(42);
  EXPECT_EQ(rng.next_unit(), 0x1.85eaf79ac1f12p-1);
  EXPECT_EQ(rng.next_unit(), 0x1.cadeca2210a9cp-2);
  EXPECT_EQ(rng.next_unit(), 0x1.eb5ebd5a2fad8p-1);
  for (int i = 0; i < 100000; ++i) {
    const double u = rng.next_unit();
    ASSERT_TRUE(u >= 0.0 && u < 1.0);
  }
}

TEST(Sampler, GreedyTakesTheGreatestAndTheLowestIdOfEquals) {
  EXPECT_EQ(sample_once({}, {1.0f, 5.0f, -2.0f}), 1);
  EXPECT_EQ(sample_once({}, {1.0f, 5.0f, 5.0f, 5.0f}), 1);
  EXPECT_EQ(sample_once({}, {-1.0f}), 0);
}

TEST(Sampler, OddLogitsDoNotCrash) {
  for (double temperature : {0.0, 0.7}) {
    const SamplingParams params = {.temperature = temperature};
    EXPECT_EQ(sample_once(params, {kNan, -3.0f, kNan}), 1);
    EXPECT_EQ(sample_once(params, {-kInf, -kInf, 2.0f}), 2);
    EXPECT_EQ(sample_once(params, {0.0f, kInf, 3.0f}), 1);
    EXPECT_EQ(sample_once(params, {-kNan, kInf}), 1);
    const int32_t any = sample_once(params, {kNan, kNan, kNan});
    EXPECT_TRUE(any >= 0 && any < 3);
  }
  EXPECT_EQ(sample_once({}, {kNan, kNan}), 0);
}

TEST(Sampler, TopKOfOneIsGreedy) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<float> logits = make_logits(1000, seed);
    EXPECT_EQ(sample_once({.temperature = 1.5, .top_k = 1, .seed = seed}, logits),
              sample_once({}, logits));
  }
}

TEST(Sampler, ATinyTemperatureIsGreedy) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::vector<float> logits = make_logits(1000, seed);
    const int32_t greedy = sample_once({}, logits);
    logits[static_cast<size_t>(greedy)] += 0.5f;  // no ties
    for (double temperature : {1e-3, 1e-300, std::numeric_limits<double>::denorm_min()})
      EXPECT_EQ(sample_once({.temperature = temperature, .seed = seed}, logits), greedy);
  }
}

TEST(Sampler, ATinyTopPOrAMinPOfOneIsGreedyWithoutTies) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::vector<float> logits = make_logits(1000, seed);
    const int32_t greedy = sample_once({}, logits);
    logits[static_cast<size_t>(greedy)] += 0.5f;
    EXPECT_EQ(sample_once({.temperature = 1.0, .top_p = 1e-9, .seed = seed}, logits), greedy);
    EXPECT_EQ(sample_once({.temperature = 1.0, .min_p = 1.0, .seed = seed}, logits), greedy);
  }
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  const std::vector<float> logits = make_logits(5000, 3);
  const SamplingParams params = {
      .temperature = 0.8, .top_k = 40, .top_p = 0.95, .min_p = 0.01, .seed = 9};
  Sampler a(params), b(params);
  SamplingParams other_params = params;
  other_params.seed = 10;
  Sampler other(other_params);
  int different = 0;
  for (int i = 0; i < 200; ++i) {
    const int32_t token = a.sample({.ids = {}, .logits = logits}, {}).value();
    ASSERT_EQ(token, b.sample({.ids = {}, .logits = logits}, {}).value());
    different += token != other.sample({.ids = {}, .logits = logits}, {}).value();
  }
  EXPECT_GT(different, 50);
}

// Agreed with an independent implementation; these must not change, on any machine, ever.
TEST(Sampler, KnownTokens) {
  const std::vector<float> logits = make_logits(300, 1);
  const auto tokens = [&](SamplingParams params) {
    params.seed = 2026;
    Sampler sampler(params);
    std::vector<int32_t> drawn;
    for (int i = 0; i < 8; ++i)
      drawn.push_back(sampler.sample({.ids = {}, .logits = logits}, drawn).value());
    return drawn;
  };
  EXPECT_EQ(tokens({.temperature = 1.0}),
            (std::vector<int32_t>{142, 179, 57, 142, 29, 135, 173, 70}));
  EXPECT_EQ(tokens({.temperature = 0.7, .top_k = 20}),
            (std::vector<int32_t>{297, 201, 86, 297, 201, 57, 184, 179}));
  EXPECT_EQ(tokens({.temperature = 2.0, .top_p = 0.9, .repeat_penalty = 1.3}),
            (std::vector<int32_t>{191, 227, 119, 268, 207, 76, 178, 60}));
}

TEST(Sampler, FrequenciesFollowTheSoftmax) {
  const std::vector<double> wanted = {0.5, 0.25, 0.15, 0.07, 0.03};
  std::vector<float> logits;
  for (double p : wanted) logits.push_back(static_cast<float>(std::log(p)));
  constexpr int kDraws = 200000;
  const std::vector<double> got = frequencies({.temperature = 1.0, .seed = 5}, logits, kDraws);
  for (size_t i = 0; i < wanted.size(); ++i)  // five standard deviations
    EXPECT_NEAR(got[i], wanted[i], 5 * std::sqrt(wanted[i] * (1 - wanted[i]) / kDraws)) << i;
}

TEST(Sampler, TemperatureFlattens) {
  const std::vector<float> logits = {2.0f, 0.0f};
  for (double temperature : {0.5, 1.0, 4.0}) {
    const double wanted = 1.0 / (1.0 + std::exp(-2.0 / temperature));
    EXPECT_NEAR(frequencies({.temperature = temperature, .seed = 6}, logits, 100000)[0], wanted,
                0.008);
  }
}

TEST(Sampler, TopKKeepsTheFirstKByScoreThenId) {
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, 3.0f, 2.0f, 2.0f};
  const std::vector<double> got =
      frequencies({.temperature = 1.0, .top_k = 3, .seed = 7}, logits, 20000);
  for (size_t id : {0u, 4u, 5u}) EXPECT_EQ(got[id], 0.0) << id;
  for (size_t id : {1u, 2u, 3u}) EXPECT_GT(got[id], 0.1) << id;
}

TEST(Sampler, TopPKeepsTheShortestPrefix) {
  std::vector<float> logits;  // 1/2, 1/4, 1/8, 1/8
  for (double p : {0.125, 0.5, 0.125, 0.25}) logits.push_back(static_cast<float>(std::log(p)));
  const auto kept = [&](double top_p) {
    const std::vector<double> got =
        frequencies({.temperature = 1.0, .top_p = top_p, .seed = 8}, logits, 20000);
    return std::count_if(got.begin(), got.end(), [](double f) { return f > 0; });
  };
  EXPECT_EQ(kept(0.3), 1);
  EXPECT_EQ(kept(0.6), 2);
  EXPECT_EQ(kept(0.8), 3);
  EXPECT_EQ(kept(0.95), 4);
  // What is left keeps its proportions.
  EXPECT_NEAR(frequencies({.temperature = 1.0, .top_p = 0.6, .seed = 8}, logits, 100000)[1],
              2.0 / 3, 0.01);
}

TEST(Sampler, MinPIsRelativeToTheGreatest) {
  std::vector<float> logits;
  for (double p : {0.5, 0.26, 0.24}) logits.push_back(static_cast<float>(std::log(p)));
  const std::vector<double> got =
      frequencies({.temperature = 1.0, .min_p = 0.5, .seed = 9}, logits, 20000);
  EXPECT_GT(got[1], 0.0);
  EXPECT_EQ(got[2], 0.0);
}

TEST(Sampler, LooksFarBeyondTheFirstSortedPart) {
  const std::vector<float> logits(5000, 1.0f);  // uniform
  const std::vector<double> got = frequencies({.temperature = 1.0, .seed = 11}, logits, 2000);
  double mean = 0.0;
  for (size_t id = 0; id < got.size(); ++id) mean += got[id] * static_cast<double>(id);
  EXPECT_NEAR(mean, 2499.5, 5 * 1443.4 / std::sqrt(2000.0));
  EXPECT_GT(std::accumulate(got.begin() + 4000, got.end(), 0.0), 0.15);
}

// A slow, whole sort of everything must choose the same tokens as the sampler's partial ones.
TEST(Sampler, PartialSortingChangesNothing) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const std::vector<float> logits = make_logits(3000, 100 + seed);
    const SamplingParams params = {.temperature = 3.0, .top_p = 0.97, .seed = seed};
    std::vector<int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
      const float logit_a = logits[static_cast<size_t>(a)],
                  logit_b = logits[static_cast<size_t>(b)];
      return logit_a != logit_b ? logit_a > logit_b : a < b;
    });
    const auto weight = [&](int32_t id) {
      return std::exp((static_cast<double>(logits[static_cast<size_t>(id)]) -
                       static_cast<double>(logits[static_cast<size_t>(ids[0])])) /
                      params.temperature);
    };
    double total = 0.0, kept = 0.0;
    for (int32_t id : ids) total += weight(id);
    size_t count = 0;
    while (kept < params.top_p * total) kept += weight(ids[count++]);
    const double target = Pcg32(seed).next_unit() * kept;
    double sum = 0.0;
    size_t rank = 0;
    while ((sum += weight(ids[rank])) <= target) ++rank;
    EXPECT_EQ(sample_once(params, logits), ids[rank]) << "seed " << seed;
  }
}

TEST(Sampler, ThePenaltyDividesPositiveAndMultipliesNegativeScores) {
  SamplingParams params;
  params.repeat_penalty = 2.0;
  EXPECT_EQ(sample_once(params, {4.0f, 3.0f}, {0}), 1);    // 4 / 2 < 3
  EXPECT_EQ(sample_once(params, {4.0f, 1.0f}, {0}), 0);    // 4 / 2 > 1
  EXPECT_EQ(sample_once(params, {-1.0f, -1.5f}, {0}), 1);  // -1 * 2 < -1.5
  EXPECT_EQ(sample_once(params, {4.0f, 1.5f}, {0, 0, 0}),
            0);  // once, however often it stands there
}

TEST(Sampler, ThePenaltyLooksAtTheLastTokensOnly) {
  SamplingParams params;
  params.repeat_penalty = 2.0;
  params.repeat_last_n = 2;
  const std::vector<float> logits = {4.0f, 3.0f, 0.0f};
  EXPECT_EQ(sample_once(params, logits, {0, 2, 2}), 0);
  EXPECT_EQ(sample_once(params, logits, {2, 0, 2}), 1);
  params.repeat_last_n = 0;
  EXPECT_EQ(sample_once(params, logits, {0, 0}), 0);
  params.repeat_last_n = 100;  // more than there are
  EXPECT_EQ(sample_once(params, logits, {0}), 1);
}

TEST(Sampler, IdsWithoutALogitArePassedOver) {
  SamplingParams params;
  params.repeat_penalty = 2.0;
  EXPECT_EQ(sample_once(params, {4.0f, 3.0f}, {-1, 2, 1000000}), 0);
}

TEST(Sampler, PresenceAndFrequencyCountTheTextWithoutThePrompt) {
  const std::vector<float> logits = {1.0f, 1.5f, 2.0f};
  const std::vector<int32_t> history = {2, 2, 2, 1, 2};  // the first three are the prompt
  SamplingParams params{.presence_penalty = 0.25, .text_begin = 3};
  EXPECT_EQ(sample_once(params, logits, history), 2);  // 1.75 against 1.25 and 1
  params.frequency_penalty = 0.75;
  EXPECT_EQ(sample_once(params, logits, history), 0);  // 1 against 0.5 and 1
  params.text_begin = 4;
  EXPECT_EQ(sample_once(params, logits, history), 1);  // 1.5 against 1 and 1
  params = {.frequency_penalty = 0.2, .text_begin = 0};
  EXPECT_EQ(sample_once(params, logits, history), 1);  // 2 - 4 * 0.2 against 1.5 - 0.2
  params.text_begin = 5;
  EXPECT_EQ(sample_once(params, logits, history), 2);
}

TEST(Sampler, BiasIsAddedToTheLogit) {
  const std::vector<float> logits = {1.0f, 1.5f, 2.0f};
  EXPECT_EQ(sample_once({.logit_bias = {{2, -100.0}}}, logits), 1);
  EXPECT_EQ(sample_once({.logit_bias = {{0, 100.0}}}, logits), 0);
  EXPECT_EQ(sample_once({.temperature = 1, .logit_bias = {{0, 100.0}, {7, 1.0}}}, logits), 0);
}

TEST(Sampler, SuppressedIdsNeverCome) {
  SamplingParams params;
  params.suppressed_ids = {0, 2, 99};
  EXPECT_EQ(sample_once(params, {4.0f, 1.0f, 3.0f}), 1);
  params.temperature = 100.0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    params.seed = seed;
    EXPECT_EQ(sample_once(params, {4.0f, 1.0f, 3.0f}), 1);
  }
}

TEST(Sampler, BannedSequencesAreNotFinished) {
  SamplingParams params;
  params.banned_sequences = {{0}, {1, 2, 3}};
  const std::vector<float> logits = {9.0f, 1.0f, 2.0f, 8.0f};
  EXPECT_EQ(sample_once(params, logits, {}), 3);
  EXPECT_EQ(sample_once(params, logits, {2}), 3);
  EXPECT_EQ(sample_once(params, logits, {0, 1, 2}), 2);
  EXPECT_EQ(sample_once(params, logits, {1, 2, 0}), 3);
}

TEST(Sampler, NoNgramComesTwice) {
  SamplingParams params;
  params.no_repeat_ngram = 2;
  const std::vector<float> logits = {9.0f, 8.0f, 7.0f};
  EXPECT_EQ(sample_once(params, logits, {1, 0, 2, 1}), 1) << "1 0 is there, 1 1 is not";
  EXPECT_EQ(sample_once(params, logits, {1, 0, 1, 1}), 2);
  EXPECT_EQ(sample_once(params, logits, {1}), 0);
  params.no_repeat_ngram = 1;
  EXPECT_EQ(sample_once(params, logits, {0, 1}), 2);
  params.no_repeat_ngram = 3;
  EXPECT_EQ(sample_once(params, logits, {0, 0}), 0);
  EXPECT_EQ(sample_once(params, logits, {0, 0, 0}), 1);
}

std::string complaint(void (*change)(SamplingParams&)) {
  SamplingParams params;
  change(params);
  const Status status = validate(params);
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument);
  return status.message();
}

TEST(Sampler, ValidateNamesTheParameter) {
  using P = SamplingParams;
  EXPECT_EQ(complaint([](P&) {}), "");
  EXPECT_EQ(complaint([](P& p) { p = {0.7, 40, 0.9, 0.05, 1.1, 0, 1}; }), "");
  EXPECT_EQ(complaint([](P& p) { p.temperature = -0.5; }),
            "temperature=-0.5: expected a finite number, 0 (greedy) or more");
  EXPECT_EQ(complaint([](P& p) { p.temperature = NAN; }),
            "temperature=nan: expected a finite number, 0 (greedy) or more");
  EXPECT_EQ(complaint([](P& p) { p.temperature = INFINITY; }),
            "temperature=inf: expected a finite number, 0 (greedy) or more");
  EXPECT_EQ(complaint([](P& p) { p.top_k = -1; }), "top_k=-1: expected 0 (off) or more");
  EXPECT_EQ(complaint([](P& p) { p.top_p = 0.0; }),
            "top_p=0: expected more than 0, at most 1 (off)");
  EXPECT_EQ(complaint([](P& p) { p.top_p = 1.5; }),
            "top_p=1.5: expected more than 0, at most 1 (off)");
  EXPECT_EQ(complaint([](P& p) { p.min_p = 2.0; }), "min_p=2: expected a number from 0 (off) to 1");
  EXPECT_EQ(complaint([](P& p) { p.repeat_penalty = 0.0; }),
            "repeat_penalty=0: expected a finite number above 0 (1: off)");
  EXPECT_EQ(complaint([](P& p) { p.repeat_last_n = -1; }),
            "repeat_last_n=-1: expected 0 (off) or more");
  EXPECT_EQ(complaint([](P& p) { p.no_repeat_ngram = -1; }),
            "no_repeat_ngram_size=-1: expected 0 (off) or more");
  EXPECT_EQ(complaint([](P& p) { p.presence_penalty = 1e7; }),
            "presence_penalty=10000000: expected a number from -1e6 to 1e6");
  EXPECT_EQ(complaint([](P& p) { p.frequency_penalty = NAN; }),
            "frequency_penalty=nan: expected a number from -1e6 to 1e6");
  EXPECT_EQ(complaint([](P& p) { p.logit_bias = {{1, INFINITY}}; }),
            "logit_bias=inf: expected a number from -1e6 to 1e6");
}

// ---- few logits

// Of `logits` what `need` asks for, as a screened head leaves it.
struct FewScores {
  std::vector<int32_t> ids;
  std::vector<float> logits;
  float below = 0;

  FewScores(const LogitsNeed& need, std::span<const float> all) {
    std::vector<float> counted;
    for (size_t id = 0; id < all.size(); ++id)
      if (!is_listed(need, id)) counted.push_back(all[id]);
    std::ranges::sort(counted, std::greater());
    below = need.kind == LogitsNeed::Kind::kTop
                ? counted[static_cast<size_t>(need.k) - 1]
                : std::nextafter(static_cast<float>(static_cast<double>(counted[0]) - need.margin),
                                 -1e30f);
    for (size_t id = 0; id < all.size(); ++id) {
      if (!is_listed(need, id) && all[id] < below) continue;
      ids.push_back(static_cast<int32_t>(id));
      logits.push_back(all[id]);
    }
  }
  Scores scores(size_t vocabulary) const {
    return {.ids = ids,
            .logits = logits,
            .others = static_cast<int64_t>(vocabulary - ids.size()),
            .others_below = below};
  }
  static bool is_listed(const LogitsNeed& need, size_t id) {
    return std::ranges::binary_search(need.ids, static_cast<int32_t>(id));
  }
};

// Lets one of `every` ids come, others after each token.
class SomeOf final : public TokenFilter {
 public:
  SomeOf(size_t vocabulary, uint32_t every) : every_(every), words_((vocabulary + 63) / 64) {
    fill();
  }
  std::span<const uint64_t> allowed() override { return words_; }
  bool accept(int32_t id) override {
    if ((words_[static_cast<size_t>(id) / 64] >> id % 64 & 1) == 0) return false;
    fill();
    return true;
  }
  bool may_end() const override { return false; }
  std::unique_ptr<TokenFilter> fork() const override { return std::make_unique<SomeOf>(*this); }

 private:
  void fill() {
    std::ranges::fill(words_, 0);
    words_[random_() % (words_.size() - 1)] |= 1;
    for (size_t id = 0; id < 64 * words_.size(); ++id)
      if (random_() % every_ == 0) words_[id / 64] |= uint64_t{1} << id % 64;
  }

  uint32_t every_;
  std::vector<uint64_t> words_;
  std::minstd_rand random_;
};

constexpr size_t kVocabulary = 3000;

// Every `step`-th of many.
std::vector<SamplingParams> many_params(size_t step) {
  std::vector<SamplingParams> all;
  for (const double temperature : {0.0, 0.3, 0.6, 1.0})
    for (const int top_k : {0, 1, 40})
      for (const double top_p : {0.3, 0.9, 0.99, 1.0})
        for (const double min_p : {0.0, 0.05})
          for (const double penalty : {1.0, 1.3, 0.7})
            all.push_back({.temperature = temperature,
                           .top_k = top_k,
                           .top_p = top_p,
                           .min_p = min_p,
                           .repeat_penalty = penalty,
                           .seed = all.size(),
                           .suppressed_ids = {3, 11, 2999},
                           .no_repeat_ngram = 2});
  for (size_t i = 0; i < all.size(); i += 3) {
    all[i].presence_penalty = 0.75;
    all[i].frequency_penalty = -0.25;
    all[i].logit_bias = {{5, 3.5}, {100, -2}, {kVocabulary + 1, 1}};
  }
  std::vector<SamplingParams> some;
  for (size_t i = 0; i < all.size(); i += step) some.push_back(all[i]);
  return some;
}

struct Asked {
  int times = 0, undecided = 0;
};

// Holds samples of the logits that are needed against samples of all.
Asked compare_few_with_all(const std::vector<SamplingParams>& all_params) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  Asked asked;
  for (const SamplingParams& params : all_params) {
    Sampler with_all(params), with_few(params);
    std::vector<int32_t> history = {1, 2, 3};
    for (int turn = 0; turn < 12; ++turn) {
      std::vector<float> logits(kVocabulary);
      // Whole halves: many logits are equal.
      for (float& logit : logits) logit = std::rint(normal(random) * 6) / (turn % 2 == 0 ? 2 : 64);
      const LogitsNeed need = with_few.need(history, kVocabulary);
      const Scores all{.ids = {}, .logits = logits};
      const int32_t expected = with_all.sample(all, history).value();
      std::optional<int32_t> got;
      if (need.kind != LogitsNeed::Kind::kAll) {
        const FewScores few(need, logits);
        got = with_few.sample(few.scores(kVocabulary), history);
        ++asked.times;
        asked.undecided += got ? 0 : 1;
      }
      if (!got) got = with_few.sample(all, history);
      EXPECT_EQ(got, expected) << "temperature " << params.temperature << ", top-k " << params.top_k
                               << ", top-p " << params.top_p << ", min-p " << params.min_p
                               << ", penalty " << params.repeat_penalty;
      history.push_back(expected);
    }
  }
  return asked;
}

TEST(Sampler, FewLogitsGiveWhatAllGive) {
  const Asked asked = compare_few_with_all(many_params(1));
  EXPECT_GT(asked.times, 1000);
  EXPECT_LT(asked.undecided, asked.times / 20) << "of " << asked.times;
}

TEST(Sampler, FewLogitsGiveWhatAllGiveUnderAFilter) {
  // How many of a hundred are undecided, at most. Of 3000 ids one in 100 is few enough to ask for
  // each of them.
  const struct {
    uint32_t every;
    int most_undecided;
  } filters[] = {{1, 5}, {2, 60}, {20, 90}, {100, 0}, {1000, 0}};
  for (const auto& filter : filters) {
    std::vector<SamplingParams> all_params = many_params(5);
    for (SamplingParams& params : all_params)
      params.filter = std::make_shared<SomeOf>(kVocabulary, filter.every);
    const Asked asked = compare_few_with_all(all_params);
    EXPECT_GT(asked.times, 500);
    EXPECT_LE(100 * asked.undecided, filter.most_undecided * asked.times)
        << "one in " << filter.every << ": " << asked.undecided << " of " << asked.times;
  }
}

// Lets every id but the first come.
class NotTheFirst final : public TokenFilter {
 public:
  std::span<const uint64_t> allowed() override { return words_; }
  bool accept(int32_t id) override { return id != 0; }
  bool may_end() const override { return false; }
  std::unique_ptr<TokenFilter> fork() const override { return std::make_unique<NotTheFirst>(); }

 private:
  std::vector<uint64_t> words_ = {~uint64_t{1}, ~uint64_t{0}};
};

TEST(Sampler, TheGreatestThatAFilterAllowsMustBeAboveWhatIsNotKnown) {
  const std::vector<int32_t> ids = {0, 70};
  const std::vector<float> logits = {9.0f, 2.0f};
  const auto sample = [&](float below) {
    return Sampler({.filter = std::make_shared<NotTheFirst>()})
        .sample({.ids = ids, .logits = logits, .others = 126, .others_below = below}, {});
  };
  EXPECT_EQ(sample(1.5f), 70);
  EXPECT_EQ(sample(2.0f), 70);
  EXPECT_EQ(sample(2.5f), std::nullopt);
  const std::vector<int32_t> refused = {0};
  EXPECT_EQ(Sampler({.filter = std::make_shared<NotTheFirst>()})
                .sample({.ids = refused,
                         .logits = std::span(logits).first(1),
                         .others = 127,
                         .others_below = -1},
                        {}),
            std::nullopt);
}

// Where the logits that are there do not say where top-p cuts, nothing is drawn.
TEST(Sampler, SaysWhenFewLogitsDoNotDecide) {
  const std::vector<float> logits = {1.0f, 0.9f, 0.8f, 0.7f, 0.6f};
  const SamplingParams params{.temperature = 1, .top_p = 0.5, .seed = 7};
  Sampler with_all(params), with_few(params);
  const std::vector<int32_t> ids = {0};
  EXPECT_FALSE(with_few.sample(
      {.ids = ids, .logits = std::span(logits).first(1), .others = 4, .others_below = 0.95f}, {}));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(with_few.sample({.ids = {}, .logits = logits}, {}),
              with_all.sample({.ids = {}, .logits = logits}, {}));
}

}  // namespace
}  // namespace bitnetc
