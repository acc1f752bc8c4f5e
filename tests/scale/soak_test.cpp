// Some hundred generations of the soak that tools/check-scale runs ten thousand of.
#include "tests/scale/soak.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"
#include "tests/support/sanitizers.h"

namespace bitnetc::test {
namespace {

TEST(Soak, LeavesNothingBehindAndPrintsWhatFreshProcessesPrint) {
  const TempFolder folder;
  compile_folder(bundled_model_folder(), folder.file("model.bnc"), host_target());
  const auto report = soak({.model = folder.file("model.bnc"),
                            .cache_home = folder.file("cache"),
                            .generations = 300,
                            .seed = 1,
                            .compare_every = 50},
                           [](const std::string& line) { fmt::print("{}\n", line); });
  ASSERT_TRUE(report.ok()) << report.status().message();
  for (const std::string& finding : report->findings) ADD_FAILURE() << finding;
  EXPECT_EQ(report->generations, 300);
  EXPECT_EQ(report->compared, 6);
  EXPECT_GT(report->to_the_end, 0);
  EXPECT_GT(report->by_callback, 0);
  EXPECT_GT(report->cancelled, 0);
  EXPECT_GT(report->guessed, 0);
}

TEST(ProcessUsage, CountsWhatIsHeld) {
  const ProcessUsage before = process_usage();
  const auto block = std::make_unique<char[]>(1 << 20);
  const ProcessUsage with = process_usage();
  EXPECT_EQ(with.blocks, before.blocks + 1);
  if (!kIsSanitized) {  // whose malloc counts nothing
    EXPECT_GE(with.heap_bytes, before.heap_bytes + (1 << 20));
  }
  EXPECT_EQ(with.threads, before.threads);
  EXPECT_EQ(with.descriptors, before.descriptors);
}

}  // namespace
}  // namespace bitnetc::test
