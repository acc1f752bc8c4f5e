#include "runtime/schedule/prompt_pace.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

constexpr int64_t kMost = 64;

// A machine on which a pass takes 1,000 ns, 100 more per text and 50 more per row of a prompt.
int64_t pass_ns(int64_t texts, int64_t prompt_rows) {
  return 1000 + 100 * texts + 50 * prompt_rows;
}
void run(PromptPace& pace, int64_t texts, int64_t prompt_rows) {
  pace.note(texts, prompt_rows, pass_ns(texts, prompt_rows));
}

TEST(PromptPace, AsManyAsMayBeWhereNothingIsKnownOrNoTextIsThere) {
  PromptPace pace;
  EXPECT_EQ(pace.rows(1, 1, kMost), kMost);
  run(pace, 0, 64);
  EXPECT_EQ(pace.rows(1, 1, kMost), kMost) << "no text was seen";
  run(pace, 1, 0);
  EXPECT_LT(pace.rows(1, 1, kMost), kMost);
  EXPECT_EQ(pace.rows(0, 1, kMost), kMost);
}

TEST(PromptPace, APassTakesAboutTwiceAsLongAsWithoutPrompts) {
  PromptPace pace;
  run(pace, 0, 64);
  for (int64_t texts = 1; texts <= 4; ++texts) run(pace, texts, 0);
  for (int i = 0; i < 40; ++i) run(pace, 4, pace.rows(4, 1, kMost));
  const int64_t rows = pace.rows(4, 1, kMost);
  EXPECT_NEAR(static_cast<double>(pass_ns(4, rows)), 2.0 * static_cast<double>(pass_ns(4, 0)), 100);
}

TEST(PromptPace, PromptsThatOutnumberTextsGetMoreOfTheTime) {
  PromptPace pace;
  run(pace, 0, 64);
  run(pace, 1, 0);
  const int64_t alone = pace.rows(1, 1, 1000);
  EXPECT_NEAR(static_cast<double>(pace.rows(1, 3, 1000)), 3.0 * static_cast<double>(alone), 3);
  EXPECT_EQ(pace.rows(3, 1, 1000), alone) << "of three texts nothing more is known";
}

TEST(PromptPace, AtLeastEightRowsUnlessFewerAreAllowed) {
  PromptPace pace;
  pace.note(0, 64, 64 * 1000000);
  pace.note(1, 0, 10);
  EXPECT_EQ(pace.rows(1, 1, kMost), PromptPace::kLeastRows);
  EXPECT_EQ(pace.rows(1, 1, 4), 4);
}

TEST(PromptPace, ShortPassesForPromptsAloneTellNothing) {
  PromptPace pace;
  run(pace, 1, 0);
  run(pace, 0, 4);
  EXPECT_EQ(pace.rows(1, 1, kMost), kMost);
  run(pace, 1, 64);  // beside a text whose time is known they do
  EXPECT_NEAR(static_cast<double>(pace.rows(1, 1, kMost)), 1100.0 / 50, 1);
}

TEST(PromptPace, AClockThatStandsStillChangesNothing) {
  PromptPace pace;
  for (int i = 0; i < 3; ++i) {
    pace.note(0, 64, 0);
    pace.note(1, 0, 0);
    pace.note(1, 8, 0);
  }
  EXPECT_EQ(pace.rows(1, 1, kMost), kMost);
}

}  // namespace
}  // namespace bitnetc
