#include "runtime/schedule/row_shares.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

using Shares = std::vector<int64_t>;

Shares shares(std::vector<RowsWanted> wanted, int64_t rows, int64_t prompt_rows) {
  return share_rows(wanted, {.rows = rows, .prompt_rows = prompt_rows});
}

RowsWanted text() {
  return {.rows = 1, .of_prompt = false};
}
RowsWanted prompt(int64_t rows) {
  return {.rows = rows, .of_prompt = true};
}

TEST(RowShares, TextsComeBeforePrompts) {
  EXPECT_EQ(shares({prompt(9), text(), text()}, 4, 4), (Shares{2, 1, 1}));
  EXPECT_EQ(shares({text(), text()}, 2, 2), (Shares{1, 1}));
  EXPECT_EQ(shares({}, 2, 2), Shares());
}

TEST(RowShares, PromptsShareEquallyAndLeaveNothing) {
  EXPECT_EQ(shares({prompt(100), prompt(100)}, 256, 64), (Shares{32, 32}));
  EXPECT_EQ(shares({prompt(100), prompt(10), prompt(100)}, 256, 64), (Shares{27, 10, 27}));
  EXPECT_EQ(shares({prompt(5), prompt(6)}, 256, 64), (Shares{5, 6}));
  EXPECT_EQ(shares({prompt(0), prompt(100)}, 256, 64), (Shares{0, 64}));
  EXPECT_EQ(shares({prompt(100), prompt(100), prompt(100)}, 256, 64), (Shares{22, 21, 21}));
}

TEST(RowShares, TheFirstPromptAlwaysGoesOn) {
  EXPECT_EQ(shares({prompt(9), prompt(9), prompt(9)}, 8, 2), (Shares{1, 1, 0}));
  EXPECT_EQ(shares({text(), prompt(9), prompt(9), text()}, 3, 3), (Shares{1, 1, 0, 1}));
}

}  // namespace
}  // namespace bitnetc
