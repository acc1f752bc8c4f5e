// Guessing tokens ahead: what is guessed, how many, and that the text does not depend on it.
#include "tools/engine/draft.h"

#include <gtest/gtest.h>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

using Tokens = std::vector<int32_t>;

TEST(GuessNext, RepeatsWhatFollowedTheLastTokens) {
  EXPECT_EQ(guess_next(Tokens{1, 2, 3, 4, 5, 9, 1, 2}, 7), (Tokens{3, 4, 5, 9, 1, 2}));
  EXPECT_EQ(guess_next(Tokens{1, 2, 3, 4, 5, 9, 1, 2}, 2), (Tokens{3, 4}));
  // The longer run goes first, then the later place.
  EXPECT_EQ(guess_next(Tokens{7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2}, 1), Tokens{3});
  EXPECT_EQ(guess_next(Tokens{1, 2, 3, 0, 1, 2, 4, 6, 1, 2}, 1), Tokens{4});
  // A place may overlap the end.
  EXPECT_EQ(guess_next(Tokens{5, 5, 5}, 7), Tokens{5});
}

TEST(GuessNext, GuessesNothingWhereNothingRepeats) {
  EXPECT_TRUE(guess_next(Tokens{}, 7).empty());
  EXPECT_TRUE(guess_next(Tokens{1}, 7).empty());
  EXPECT_TRUE(guess_next(Tokens{1, 2}, 7).empty());
  EXPECT_TRUE(guess_next(Tokens{1, 2, 3, 4}, 7).empty());
  EXPECT_TRUE(guess_next(Tokens{2, 3, 2}, 7).empty());  // one token is no run
  EXPECT_TRUE(guess_next(Tokens{1, 2, 3, 1, 2}, 0).empty());
}

// A pass of `drafts` guesses takes seconds[drafts]; `right` of them are right.
int settled_length(const std::vector<double>& seconds, int right) {
  DraftLength length(kMostDrafts);
  for (int pass = 0; pass < 400; ++pass) {
    const int drafts = length.choose();
    length.add(drafts, std::min(drafts, right), seconds[static_cast<size_t>(drafts)]);
  }
  return length.choose();
}

TEST(DraftLength, FollowsWhatPassesTakeAndHowManyAreRight) {
  const std::vector<double> flat(kMostDrafts + 1, 1.0);
  EXPECT_EQ(settled_length(flat, kMostDrafts), kMostDrafts);
  std::vector<double> steep;  // as if rows were read one by one
  for (int drafts = 0; drafts <= kMostDrafts; ++drafts) steep.push_back(1.0 + drafts);
  EXPECT_EQ(settled_length(steep, kMostDrafts), 0);
  std::vector<double> slight;
  for (int drafts = 0; drafts <= kMostDrafts; ++drafts) slight.push_back(1.0 + 0.3 * drafts);
  EXPECT_EQ(settled_length(slight, 0), 0);
  EXPECT_EQ(DraftLength(0).choose(), 0);
}

// Everything that chooses a token, in every way that logits may be found for it.
class Draft : public CliFixture {};

TEST_F(Draft, TextsDoNotDependOnGuessesNorOnTheScreen) {
  const std::vector<std::vector<std::string>> samplings = {
      {"--greedy"},
      {"--temp", "0.8", "--top-k", "20"},
      {"--temp", "1", "--min-p", "0.1"},
      {"--temp", "0.7", "--repeat-penalty", "1.3", "--top-p", "0.9"},
      {"--temp", "1.1"},
  };
  const std::string repetitive = "the cat and the dog and the cat and the dog and the cat and the";
  int guessed = 0;
  for (const auto& sampling : samplings) {
    std::string expected;
    for (const std::vector<std::string>& way :
         {std::vector<std::string>{"--full-head", "--draft", "0"},
          {"--draft", "0"},
          {"--full-head"},
          {"--threads", "1"},
          {"--draft", "3", "--threads", "3"}}) {
      std::vector<std::string> arguments = {"run", "-p", repetitive, "-n", "60", "--seed", "5"};
      arguments.insert(arguments.end(), sampling.begin(), sampling.end());
      arguments.insert(arguments.end(), way.begin(), way.end());
      const auto result = bitnetc(arguments);
      ASSERT_EQ(result.exit_code, 0) << result.err;
      if (expected.empty()) expected = result.out;
      EXPECT_EQ(result.out, expected) << sampling[0] << " with " << way[0];
      guessed += result.err.find("tokens ahead") != std::string::npos ? 1 : 0;
    }
  }
  EXPECT_GT(guessed, 0) << "no way guessed anything: nothing was compared";
}

}  // namespace
}  // namespace bitnetc::test
