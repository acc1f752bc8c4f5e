// Tuning of small shapes in little time. What is measured differs from run to run, so nothing here
// depends on it.
#include "autotune/tuner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "autotune/tuning/trials.h"
#include "autotune/tuning/work_list.h"
#include "compiler/plan_source.h"
#include "runtime/cpu_features.h"

namespace bitnetc {
namespace {

constexpr MatmulSpec kSmall{.n = 96, .k = 80},
    kGated{.n = 64, .k = 160, .epilogue = Epilogue::kRelu2Mul};

// Two layouts of one shape with one thread: ten entries.
TuneRequest small_request() {
  return {.shapes = {kSmall},
          .layouts = {LayoutId::kI2S, LayoutId::kB3},
          .threads = {1},
          .target = machine_target(),
          .budget_s = 3,
          .limits = {{.threads = 1,
                      .read_bytes_per_second = 20e9,
                      .int8_operations_per_second = {{Isa::kAvx2, 300e9},
                                                     {Isa::kAvxVnni, 500e9},
                                                     {Isa::kAvx512Vnni, 900e9},
                                                     {Isa::kAmx, 3000e9}}}}};
}

// Keeps what tuning hands out and says.
struct Listener {
  Profile profile;
  std::vector<std::string> lines;
  std::vector<TuneProgress> progress;
  Status answer;
  std::function<bool()> is_cancelled;

  TuneHooks hooks() {
    return {.progress = [this](const TuneProgress& each) { progress.push_back(each); },
            .found =
                [this](const ProfileEntry& entry) {
                  profile.entries.push_back(entry);
                  return answer;
                },
            .is_cancelled = is_cancelled,
            .log = [this](const std::string& line) { lines.push_back(line); }};
  }
};

class Tuner : public testing::Test {
 protected:
  void SetUp() override {
    if (!machine_target().supports(Isa::kAvx2))
      GTEST_SKIP() << "this CPU has no tier with candidates to tune";
  }
  TuneReport tune(const TuneRequest& request, const Profile& known = {}) {
    auto report = bitnetc::tune(request, known, listener_.hooks());
    EXPECT_TRUE(report.ok()) << report.status().message();
    return *std::move(report);
  }
  // A machine that is busy enough may refuse every entry of a run; the next may find some.
  TuneReport tune_until_found(const TuneRequest& request, int entries) {
    constexpr int kMostRuns = 50;
    for (int i = 0; i < kMostRuns; ++i) {
      listener_.profile = {};
      listener_.lines.clear();
      listener_.progress.clear();
      if (TuneReport report = tune(request); report.tuned >= entries) return report;
    }
    ADD_FAILURE() << kMostRuns << " runs without " << entries << " entries";
    return {};
  }
  Listener listener_;
};

TEST_F(Tuner, EntriesAreComplete) {
  const int64_t start_s = std::chrono::duration_cast<std::chrono::seconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count();
  const TuneReport report = tune_until_found(small_request(), 1);
  EXPECT_EQ(report.tuned + report.refused + report.left, 10);
  EXPECT_EQ(report.known, 0);
  EXPECT_FALSE(report.cancelled);
  EXPECT_EQ(report.failures, std::vector<std::string>());
  EXPECT_TRUE(report.stored.ok());
  EXPECT_GE(report.took_s, report.measuring_s);
  ASSERT_EQ(listener_.profile.entries.size(), static_cast<size_t>(report.tuned));
  for (const ProfileEntry& entry : listener_.profile.entries) {
    SCOPED_TRACE(entry.key.text());
    EXPECT_EQ(entry.key.target, machine_target().name());
    EXPECT_EQ(entry.key.threads, 1);
    EXPECT_EQ(entry.field, current_field(entry.key.spec, machine_target()));
    EXPECT_GE(entry.measured_at_s, start_s);
    EXPECT_GT(entry.took_s, 0);
    ASSERT_FALSE(entry.measurements.empty());
    for (const Measurement& each : entry.measurements) {
      EXPECT_GT(each.low_s, 0);
      EXPECT_LE(each.low_s, each.median_s);
      EXPECT_LE(each.median_s, each.high_s);
      EXPECT_GT(each.samples, 0);
      const std::string label = fmt::format("{}.{}", each.generator, each.revision);
      EXPECT_TRUE(std::ranges::count(entry.field, label)) << label;
    }
  }
  // A line a contest that was finished, and the refusals'.
  EXPECT_GE(listener_.lines.size(), static_cast<size_t>(report.tuned + report.refused));
  EXPECT_NE(listener_.lines.front().find("96x80:scale i2s, 1 token"), std::string::npos)
      << listener_.lines.front();
  EXPECT_NE(listener_.lines.front().find("predicted"), std::string::npos);
  EXPECT_EQ(listener_.progress.front().total, 10);
  EXPECT_EQ(listener_.progress.front().what, "96x80:scale i2s, 1 token");
}

TEST_F(Tuner, WhatIsKnownIsNotMeasuredAgainUnlessAskedOrStale) {
  TuneRequest request = small_request();
  request.layouts = {LayoutId::kI2S};
  tune_until_found(request, 1);
  Profile known = std::exchange(listener_.profile, {});
  ASSERT_FALSE(known.entries.empty());
  std::ranges::sort(known.entries, {}, &ProfileEntry::key);
  const auto count = static_cast<int>(known.entries.size());

  const TuneReport second = tune(request, known);
  EXPECT_EQ(second.known, count);
  EXPECT_EQ(second.tuned + second.refused + second.left, 5 - count);

  request.again = true;
  EXPECT_EQ(tune(request, known).known, 0);

  request.again = false;
  known.entries.front().field.push_back("x64_gone.1");
  EXPECT_EQ(tune(request, known).known, count - 1);
}

TEST_F(Tuner, CancelledKeepsWhatWasFound) {
  listener_.is_cancelled = [this] { return listener_.progress.size() > 3; };
  TuneRequest request = small_request();
  request.budget_s = 60;  // never used up: cancelled long before
  const TuneReport report = tune(request);
  EXPECT_TRUE(report.cancelled);
  EXPECT_EQ(report.tuned + report.refused, 3);
  EXPECT_EQ(report.left, 7);
  EXPECT_EQ(listener_.profile.entries.size(), static_cast<size_t>(report.tuned));
}

TEST_F(Tuner, CancelledInAContestLeavesItOut) {
  int asked = 0;
  listener_.is_cancelled = [&] { return ++asked > 4; };
  const TuneReport report = tune(small_request());
  EXPECT_TRUE(report.cancelled);
  EXPECT_EQ(report.tuned, 0);
  EXPECT_EQ(report.left, 10);
  EXPECT_EQ(asked, 5);  // and never again
}

TEST_F(Tuner, WithoutABudgetAllIsLeft) {
  TuneRequest request = small_request();
  request.budget_s = 0;
  const TuneReport report = tune(request);
  EXPECT_EQ(report.left, 10);
  EXPECT_EQ(report.tuned, 0);
  EXPECT_TRUE(listener_.profile.entries.empty());
}

TEST_F(Tuner, AStoreThatFailsIsReportedOnceAndTuningGoesOn) {
  listener_.answer = Status(StatusCode::kIoError, "the disk is full");
  const TuneReport report = tune_until_found(small_request(), 2);
  EXPECT_EQ(report.stored.message(), "the disk is full");
  EXPECT_EQ(std::ranges::count_if(listener_.lines,
                                  [](const std::string& line) {
                                    return line.find("the disk is full") != std::string::npos;
                                  }),
            1);
}

TEST_F(Tuner, GatedMatricesAndRowAbsmaxOnSeveralThreads) {
  if (usable_cpu_count() < 2) GTEST_SKIP() << "this process has one CPU";
  TuneRequest request = small_request();
  request.shapes = {kGated, kGated};
  request.shapes[1].row_absmax = true;
  request.layouts = {LayoutId::kTl2};
  request.threads = {2, 1};
  const TuneReport report = tune(request);
  EXPECT_EQ(report.tuned + report.refused + report.left, 20);
  EXPECT_EQ(report.failures, std::vector<std::string>());
  for (const ProfileEntry& entry : listener_.profile.entries)
    EXPECT_TRUE(entry.key.threads == 1 || entry.key.threads == 2) << entry.key.text();
}

TEST(TuneRequest, NumbersThatCannotBeAreErrors) {
  const auto message = [](const auto& change) {
    TuneRequest request = small_request();
    change(request);
    const auto report = tune(request, {}, {});
    EXPECT_FALSE(report.ok());
    EXPECT_EQ(report.status().code(), StatusCode::kInvalidArgument);
    return report.status().message();
  };
  EXPECT_NE(message([](TuneRequest& r) { r.shapes[0].n = 100; }).find("n"), std::string::npos);
  EXPECT_NE(message([](TuneRequest& r) { r.shapes[0].k = 0; }).find("k"), std::string::npos);
  EXPECT_NE(message([](TuneRequest& r) { r.threads = {0}; }).find("0 threads: expected 1 to"),
            std::string::npos);
  EXPECT_NE(message([](TuneRequest& r) { r.threads = {100000}; }).find("100000 threads"),
            std::string::npos);
  EXPECT_NE(message([](TuneRequest& r) { r.budget_s = -1; }).find("budget of -1 s"),
            std::string::npos);
  message([](TuneRequest& r) { r.budget_s = std::numeric_limits<double>::quiet_NaN(); });
}

TEST(WorkList, TheMostValuableFirst) {
  TuneRequest request{.shapes = {{.n = 64, .k = 64}, {.n = 640, .k = 64}},
                      .layouts = {LayoutId::kI2S, LayoutId::kB3},
                      .threads = {2}};
  std::vector<std::string> texts;
  for (const TuneJob& job : make_work_list(request)) texts.push_back(job.text());
  EXPECT_EQ(std::vector<std::string>(texts.begin(), texts.begin() + 6),
            (std::vector<std::string>{"640x64:scale i2s, 1 token", "640x64:scale i2s, many tokens",
                                      "640x64:scale b3, 1 token", "640x64:scale b3, many tokens",
                                      "64x64:scale i2s, 1 token", "64x64:scale i2s, many tokens"}));
  EXPECT_EQ(texts[8], "640x64:scale i2s, 2 tokens");
  EXPECT_EQ(texts.size(), 2u * 2 * 5);
  request.effort = Effort::kFull;
  EXPECT_EQ(make_work_list(request).size(), 2u * 2 * 9);
}

TEST(WorkList, EveryJobOnce) {
  TuneRequest request{.shapes = {kSmall, kSmall, kGated}, .threads = {1, 1}};
  request.shapes[1].m = 4;  // does not count, nor does the layout
  request.shapes[1].layout = LayoutId::kTl1;
  EXPECT_EQ(make_work_list(request).size(), 2u * std::size(kLayouts) * 5);
  request.shapes[1].row_absmax = true;
  EXPECT_EQ(make_work_list(request).size(), 3u * std::size(kLayouts) * 5);
  request.threads = {};
  EXPECT_EQ(make_work_list(request).front().threads, usable_cpu_count());
}

TEST(Trials, AKernelThatDisagreesMayNotEnter) {
  KernelBuilder builder;
  ThreadPool pool(1, false);
  MatmulWorkload workload(kSmall, 4, 0);
  Trials trials(workload, builder, pool, target_for(Isa::kScalar), 4);
  MatmulSpec spec = kSmall;
  spec.m = 4;
  auto built = builder.build_with("reference", {.spec = spec, .target = target_for(Isa::kScalar)});
  ASSERT_TRUE(built.ok()) << built.status().message();
  const auto honest = trials.enter(*built);
  ASSERT_TRUE(honest.ok()) << honest.status().message();
  EXPECT_GT((*honest)(2), 0);
  // After an honest kernel its outputs are still there: doing nothing must not pass for them.
  built->kernel = Kernel("idle", [](const void*, const void*) {}, nullptr, nullptr);
  const auto idle = trials.enter(*built);
  ASSERT_FALSE(idle.ok());
  EXPECT_EQ(idle.status().code(), StatusCode::kDisqualified);
  built->table_form = TableForm::kWords;
  EXPECT_EQ(trials.enter(*built).status().code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace bitnetc
