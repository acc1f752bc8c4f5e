// The screened head: its certified errors hold for rows and hidden states made to break them, and
// what an executor returns with it is what it returns without, bit by bit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "codegen/kernel_spec.h"
#include "compiler/check_program.h"
#include "compiler/compile.h"
#include "compiler/passes/screen.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "runtime/executor.h"
#include "runtime/math.h"
#include "runtime/screen.h"
#include "tests/support/bnc_mutation.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

// ---- the certified errors

struct Head {
  int64_t n = 0, k = 0;
  std::vector<float> values;
  FloatTable table() const {
    return {.name = "head",
            .type = FloatType::kF32,
            .rows = n,
            .columns = k,
            .bytes = {reinterpret_cast<const uint8_t*>(values.data()), values.size() * 4}};
  }
  std::span<const float> row(int64_t i) const {
    return std::span(values).subspan(static_cast<size_t>(i * k), static_cast<size_t>(k));
  }
};

// Rows of every kind: normal, heavy-tailed, one outlier, constant, tiny, huge, zero, subnormal.
Head make_head(int64_t k, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Head head{.n = 48, .k = k, .values = {}};
  for (int64_t n = 0; n < head.n; ++n) {
    for (int64_t i = 0; i < k; ++i) {
      const float x = normal(random);
      switch (n % 8) {
        case 0: head.values.push_back(x); break;
        case 1: head.values.push_back(x * x * x); break;
        case 2: head.values.push_back(i == n % k ? 1000.0f : 0.01f * x); break;
        case 3: head.values.push_back(0.25f); break;
        case 4: head.values.push_back(x * 1e-9f); break;
        case 5: head.values.push_back(x * 1e15f); break;
        case 6: head.values.push_back(0.0f); break;
        default: head.values.push_back(x * 1e-40f); break;
      }
    }
  }
  return head;
}

std::vector<float> estimate(const Head& head, const HeadScreen& screen, std::span<const float> h,
                            bool both_parts, float* norm) {
  ScreenSpec spec{.n = head.n, .k = head.k};
  std::vector<int8_t> high(static_cast<size_t>(spec.padded_k())), low(high.size());
  const auto split = split_hidden(h, spec.padded_k(), high.data(), low.data());
  EXPECT_TRUE(split.has_value());
  std::vector<float> estimates(static_cast<size_t>(head.n));
  ScreenArgs args{.high = high.data(),
                  .low = low.data(),
                  .high_sum = &split->high_sum,
                  .low_sum = &split->low_sum,
                  .scale = &split->scale,
                  .codes = screen.coarse.data(),
                  .step = screen.step.data(),
                  .estimates = estimates.data(),
                  .q_stride = spec.padded_k(),
                  .estimates_stride = head.n,
                  .rows = 1,
                  .row_begin = 0,
                  .row_end = head.n};
  reference::screen(spec, args);
  if (both_parts) {
    spec.part = ScreenPart::kFine;
    args.codes = screen.fine.data();
    reference::screen(spec, args);
  }
  *norm = split->norm;
  return estimates;
}

float logit(std::span<const float> row, std::span<const float> h) {
  float lanes[math::kLanes] = {};
  for (size_t i = 0; i < row.size(); ++i) {
    float& lane = lanes[i % math::kLanes];
    lane = std::fma(h[i], row[i], lane);
  }
  return math::fold_lanes(lanes);
}

// The largest |logit - estimate| as a share of what is certified.
double worst_share(const Head& head, const HeadScreen& screen, std::span<const float> h,
                   bool both_parts) {
  float norm = 0;
  const std::vector<float> estimates = estimate(head, screen, h, both_parts, &norm);
  const std::vector<float>& errors = both_parts ? screen.fine_error : screen.coarse_error;
  double worst = 0;
  for (int64_t n = 0; n < head.n; ++n) {
    const auto i = static_cast<size_t>(n);
    const double bound = static_cast<double>(errors[i]) * static_cast<double>(norm);
    const double off =
        std::fabs(static_cast<double>(logit(head.row(n), h)) - static_cast<double>(estimates[i]));
    EXPECT_LE(off, bound) << "row " << n << (both_parts ? ", both parts" : ", coarse part");
    if (bound > 0) worst = std::max(worst, off / bound);
  }
  return worst;
}

class Screens : public testing::TestWithParam<int64_t> {};

TEST_P(Screens, CertifiedErrorsHoldForRandomHiddenRows) {
  const Head head = make_head(GetParam(), 1);
  const auto screen = make_screen(head.table());
  ASSERT_TRUE(screen.has_value());
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (const float size : {1.0f, 1e-10f, 1e10f}) {
    for (int shape = 0; shape < 3; ++shape) {
      std::vector<float> h(static_cast<size_t>(head.k));
      for (float& x : h) x = normal(random) * size;
      if (shape == 1) h[h.size() / 2] = 1e4f * size;  // one outlier
      if (shape == 2) {
        for (size_t i = 1; i < h.size(); ++i) h[i] *= 1e-6f;  // one is nearly alone
      }
      for (const bool both : {false, true}) worst_share(head, *screen, h, both);
    }
  }
}

// Along what the codes leave of a row nothing cancels: the bound is reached, and not passed.
TEST_P(Screens, CertifiedErrorsHoldAlongTheRestsOfRows) {
  const Head head = make_head(GetParam(), 3);
  const auto screen = make_screen(head.table());
  ASSERT_TRUE(screen.has_value());
  const ScreenSpec spec{.n = head.n, .k = head.k};
  const int64_t bytes = spec.block_bytes();
  for (int64_t n = 0; n < head.n; ++n) {
    std::vector<float> rest(static_cast<size_t>(head.k));
    double squares = 0;
    for (int64_t i = 0; i < head.k; ++i) {
      const uint8_t byte = screen->coarse[static_cast<size_t>(
          n * spec.row_bytes() + i / kScreenBlock * bytes + i % kScreenBlock % bytes)];
      const int code = byte >> (4 * (i % kScreenBlock / bytes)) & 15;
      const double value = static_cast<double>(head.row(n)[static_cast<size_t>(i)]);
      const double left =
          value - static_cast<double>(screen->step[static_cast<size_t>(n)]) * (8 * code - 60);
      rest[static_cast<size_t>(i)] = static_cast<float>(left);
      squares += left * left;
    }
    if (squares < 1e-20 || squares > 1e30) continue;  // hidden rows that are not screened
    const double share = worst_share(head, *screen, rest, false);
    EXPECT_GT(share, 0.5) << "row " << n << ": the certified error is far from what happens";
    worst_share(head, *screen, rest, true);
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, Screens, testing::Values(1, 7, 64, 100, 256, 257, 640, 2560));

TEST(Screen, TakesNoRowsThatOverflow) {
  Head head = make_head(64, 4);
  EXPECT_TRUE(make_screen(head.table()).has_value());
  head.values[5] = 1e30f;
  EXPECT_FALSE(make_screen(head.table()).has_value());
  head.values[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(make_screen(head.table()).has_value());
}

TEST(SplitHidden, RefusesWhatIsNotScreened) {
  int8_t high[256], low[256];
  std::vector<float> h(64, 0.0f);
  EXPECT_FALSE(split_hidden(h, 256, high, low).has_value());
  h[3] = 1e-30f;
  EXPECT_FALSE(split_hidden(h, 256, high, low).has_value());
  h[3] = 1e30f;
  EXPECT_FALSE(split_hidden(h, 256, high, low).has_value());
  h[3] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(split_hidden(h, 256, high, low).has_value());
  h[3] = -2.0f;
  const auto split = split_hidden(h, 256, high, low);
  ASSERT_TRUE(split.has_value());
  EXPECT_EQ(256 * high[3] + low[3], -kHiddenLevels);
}

// A head that cannot be screened is compiled without a screen, and the report says so.
TEST(Screen, CompilingSaysThatTheHeadHasNone) {
  TempFolder folder;
  ModelFiles files = make_master_model({.vocab = 300}, 3);
  write_model(files, folder.path() / "m");
  auto loaded = load_model((folder.path() / "m").string());
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const HeuristicPlanSource plans;
  FloatTable& table = loaded->graph.tables.back();
  ASSERT_EQ(table.type, FloatType::kBf16);
  std::vector<uint8_t> bytes(table.bytes.begin(), table.bytes.end());
  table.bytes = bytes;
  for (const bool is_huge : {false, true}) {
    if (is_huge) bytes[1] = 0x7f;  // at least 1.7e38
    const auto report =
        compile(loaded->graph, folder.file("m.bnc"), {.target = host_target(), .plans = &plans});
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_EQ(report->cannot_screen, is_huge);
  }
}

// ---- the executor

using Tokens = std::vector<int32_t>;

class ScreenedHead : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    write_model(make_packed_model({.vocab = kVocabulary, .max_positions = 192}, 5),
                folder_->path() / "model");
    compile_folder((folder_->path() / "model").string(), folder_->file("model.bnc"), host_target());
    executable_ = link_file(folder_->file("model.bnc"), host_target());
    if (executable_->screen == nullptr)
      GTEST_SKIP() << "SKIPPED, nothing was compared: no screen kernel runs on this CPU";
  }
  static void TearDownTestSuite() {
    executable_.reset();
    folder_.reset();
  }
  static std::unique_ptr<CpuExecutor> make_executor(int threads, bool screen) {
    return *CpuExecutor::create(executable_, {.threads = threads, .screen = screen});
  }

  static constexpr int64_t kVocabulary = 1999;
  static std::unique_ptr<TempFolder> folder_;
  static std::shared_ptr<const Executable> executable_;
};
std::unique_ptr<TempFolder> ScreenedHead::folder_;
std::shared_ptr<const Executable> ScreenedHead::executable_;

// One batch: a prompt per need, the last token of each scored.
struct Batch {
  std::vector<Sequence> sequences;
  std::vector<BatchRow> rows;
  std::vector<size_t> scored;
};

Batch make_batch(CpuExecutor& executor, std::span<const LogitsNeed> needs, uint32_t seed) {
  std::mt19937 random(seed);
  Batch batch;
  for (size_t i = 0; i < needs.size(); ++i) batch.sequences.emplace_back(executor.pool());
  for (size_t i = 0; i < needs.size(); ++i) {
    for (int64_t at = 0; at < 3; ++at)
      batch.rows.push_back({.sequence = &batch.sequences[i],
                            .token = static_cast<int32_t>(random() % 1999),
                            .position = at,
                            .need = at == 2 ? needs[i] : LogitsNeed()});
    batch.scored.push_back(batch.rows.size() - 1);
  }
  return batch;
}

// Whether `scores` hold what `need` asks for, with the bits of `all`.
void expect_serves(const Scores& scores, const LogitsNeed& need, std::span<const float> all) {
  ASSERT_EQ(scores.ids.size(), scores.logits.size());
  ASSERT_EQ(scores.others + std::ssize(scores.ids), std::ssize(all));
  std::vector<uint8_t> is_there(all.size(), 0);
  for (size_t i = 0; i < scores.ids.size(); ++i) {
    const auto id = static_cast<size_t>(scores.ids[i]);
    if (i > 0) {
      ASSERT_LT(scores.ids[i - 1], scores.ids[i]);
    }
    is_there[id] = 1;
    ASSERT_EQ(std::memcmp(&scores.logits[i], &all[id], sizeof(float)), 0) << "id " << id;
  }
  for (const int32_t id : need.ids) EXPECT_TRUE(is_there[static_cast<size_t>(id)]);
  std::vector<float> counted;
  for (size_t id = 0; id < all.size(); ++id) {
    if (!std::ranges::binary_search(need.ids, static_cast<int32_t>(id))) counted.push_back(all[id]);
    if (!is_there[id]) {
      EXPECT_LT(all[id], scores.others_below) << "id " << id;
    }
  }
  std::ranges::sort(counted, std::greater());
  const double least = need.kind == LogitsNeed::Kind::kTop
                           ? static_cast<double>(counted[static_cast<size_t>(need.k) - 1])
                           : static_cast<double>(counted[0]) - need.margin;
  for (size_t id = 0; id < all.size(); ++id)
    if (static_cast<double>(all[id]) >= least) {
      EXPECT_TRUE(is_there[id]) << "id " << id;
    }
}

TEST_F(ScreenedHead, GivesTheBitsOfTheFullHead) {
  const Tokens listed = {0, 7, 8, 9, 400, 1998};
  using Kind = LogitsNeed::Kind;
  const std::vector<std::vector<LogitsNeed>> batches = {
      {{.kind = Kind::kTop, .k = 1}},
      {{.kind = Kind::kTop, .k = 1, .ids = listed}},
      {{.kind = Kind::kTop, .k = 40}},
      {{.kind = Kind::kWithin, .margin = 0}},
      {{.kind = Kind::kWithin, .margin = 0.5, .ids = listed}},
      {{.kind = Kind::kWithin, .margin = 1e9}},
      {{.kind = Kind::kTop, .k = 3}, {.kind = Kind::kWithin, .margin = 0.2}},
      std::vector<LogitsNeed>(8, {.kind = Kind::kTop, .k = 2}),
  };
  for (const int threads : {1, 2, 5}) {
    const auto screened = make_executor(threads, true), full = make_executor(1, false);
    for (uint32_t seed = 0; seed < 24; ++seed) {
      const std::vector<LogitsNeed>& needs = batches[seed % batches.size()];
      const Batch got = make_batch(*screened, needs, seed);
      ASSERT_TRUE(screened->run(got.rows).ok());
      const Batch expected = make_batch(*full, needs, seed);
      ASSERT_TRUE(full->run(expected.rows).ok());
      for (size_t i = 0; i < needs.size(); ++i) {
        const Scores all = full->scores(expected.scored[i]);
        ASSERT_TRUE(all.ids.empty());
        const Scores some = screened->scores(got.scored[i]);
        if (some.ids.empty()) continue;  // counted below
        expect_serves(some, needs[i], all.logits);
      }
      // All of them afterwards.
      ASSERT_TRUE(screened->complete().ok());
      for (size_t i = 0; i < needs.size(); ++i) {
        const Scores all = screened->scores(got.scored[i]), same = full->scores(expected.scored[i]);
        ASSERT_TRUE(all.ids.empty());
        EXPECT_EQ(std::memcmp(all.logits.data(), same.logits.data(), all.logits.size_bytes()), 0);
      }
    }
    const ScreenStats stats = screened->screen_stats();
    EXPECT_GE(stats.passes, 5) << "hardly anything was compared";
    EXPECT_EQ(full->screen_stats().passes, 0);
  }
}

TEST_F(ScreenedHead, LeavesPassesAloneThatWantAllLogits) {
  const auto executor = make_executor(2, true);
  const std::vector<LogitsNeed> needs = {{.kind = LogitsNeed::Kind::kTop},
                                         {.kind = LogitsNeed::Kind::kAll}};
  const Batch batch = make_batch(*executor, needs, 1);
  ASSERT_TRUE(executor->run(batch.rows).ok());
  for (const size_t row : batch.scored) EXPECT_TRUE(executor->scores(row).ids.empty());
  EXPECT_EQ(executor->screen_stats().passes, 0);
}

TEST_F(ScreenedHead, RefusesNeedsThatMakeNoSense) {
  const auto executor = make_executor(1, true);
  const auto message = [&](const LogitsNeed& need) {
    const Batch batch = make_batch(*executor, {&need, 1}, 1);
    return executor->run(batch.rows).message();
  };
  const Tokens descending = {5, 4}, outside = {1999};
  EXPECT_EQ(message({.kind = LogitsNeed::Kind::kTop, .k = 0}),
            "row 2 needs 0 logits, expected at least 1");
  EXPECT_EQ(message({.kind = LogitsNeed::Kind::kWithin, .margin = -1}),
            "row 2 needs logits within -1 of the largest, expected 0 or more");
  EXPECT_EQ(message({.kind = LogitsNeed::Kind::kTop, .ids = descending}),
            "row 2 needs the logit of id 4, expected ascending ids of 0..1998");
  EXPECT_EQ(message({.kind = LogitsNeed::Kind::kTop, .ids = outside}),
            "row 2 needs the logit of id 1999, expected ascending ids of 0..1998");
}

// ---- the file

// What opening says of the compiled model after `change`.
template <typename Change>
std::string refusal(const TempFolder& folder, const Change& change) {
  BncParts parts = read_bnc_parts(folder.file("model.bnc"));
  change(parts);
  EXPECT_TRUE(write_bnc_parts(parts, folder.file("changed.bnc")).ok());
  return open_checked(folder.file("changed.bnc")).status().message();
}

std::vector<uint8_t>& section(BncParts& parts, const std::string& part) {
  const std::string name = parts.description["program"]["screen"].get<std::string>() + part;
  return std::ranges::find(parts.sections, name, &decltype(parts.sections)::value_type::first)
      ->second;
}

// Certified errors are taken on trust, as weights are; ones that are too small must not end the
// process.
TEST_F(ScreenedHead, ErrorsThatLieLeaveSomeLogit) {
  BncParts parts = read_bnc_parts(folder_->file("model.bnc"));
  const std::string path = folder_->file("lies.bnc");
  for (const float step : {0.0f, std::numeric_limits<float>::max()}) {
    for (const char* part : {".coarse_error", ".fine_error"})
      std::ranges::fill(section(parts, part), uint8_t{0});
    std::vector<uint8_t>& steps = section(parts, ".step");
    for (size_t at = 0; at < steps.size(); at += sizeof step)
      std::memcpy(steps.data() + at, &step, sizeof step);
    ASSERT_TRUE(write_bnc_parts(parts, path).ok());
    const auto executor = *CpuExecutor::create(link_file(path, host_target()), {});
    const std::vector<LogitsNeed> needs = {{.kind = LogitsNeed::Kind::kTop, .k = 3}};
    const Batch batch = make_batch(*executor, needs, 1);
    ASSERT_TRUE(executor->run(batch.rows).ok());
    EXPECT_GE(executor->scores(batch.scored[0]).logits.size(), 3u) << "step " << step;
  }
}

TEST_F(ScreenedHead, FilesWithAWrongScreenAreRefused) {
  EXPECT_EQ(refusal(*folder_, [](BncParts&) {}), "");
  EXPECT_NE(refusal(*folder_, [](BncParts& parts) { section(parts, ".coarse").pop_back(); })
                .find(".screen.coarse has 255871 bytes, a screen of head_f32_"),
            std::string::npos);
  EXPECT_NE(refusal(*folder_, [](BncParts& parts) { section(parts, ".step").resize(4); })
                .find(".screen.step has 4 bytes"),
            std::string::npos);
  EXPECT_NE(refusal(*folder_,
                    [](BncParts& parts) {
                      const float nan = std::numeric_limits<float>::quiet_NaN();
                      std::memcpy(section(parts, ".fine_error").data() + 8, &nan, sizeof nan);
                    })
                .find(".screen.fine_error: element 2 is not a finite f32"),
            std::string::npos);
  EXPECT_NE(
      refusal(*folder_, [](BncParts& parts) { parts.description["program"]["screen"] = "no_such"; })
          .find("no_such.coarse"),
      std::string::npos);
  EXPECT_NE(refusal(*folder_,
                    [](BncParts& parts) {
                      const float negative = -1;
                      std::memcpy(section(parts, ".step").data(), &negative, sizeof negative);
                    })
                .find(".screen.step: element 0 is negative"),
            std::string::npos);
  // None is no mistake.
  EXPECT_EQ(
      refusal(*folder_, [](BncParts& parts) { parts.description["program"].erase("screen"); }), "");
}

}  // namespace
}  // namespace bitnetc::test
