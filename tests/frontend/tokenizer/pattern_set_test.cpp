#include "frontend/tokenizer/pattern_set.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {
namespace {

// "begin:length" of every match, first place first.
std::string search(const std::vector<std::string>& patterns, std::string_view text) {
  const std::vector<std::string_view> views(patterns.begin(), patterns.end());
  std::vector<PatternSet::Match> matches;
  const size_t tried = PatternSet(views).find_all(text, matches);
  EXPECT_LE(tried, 2 * text.size());
  std::string found;
  for (auto match = matches.rbegin(); match != matches.rend(); ++match)
    found += fmt::format("{}:{} ", match->begin, patterns[match->pattern].size());
  return found;
}

TEST(PatternSet, FindsTheLongestAtEveryPlace) {
  EXPECT_EQ(search({"ab", "abc", "bcd", "a"}, "xabcdab!a"), "1:3 2:3 5:2 8:1 ");
  EXPECT_EQ(search({"a", "aaa"}, "aaaa"), "0:3 1:3 2:1 3:1 ");
  EXPECT_EQ(search({"abcd", "bc"}, "abc"), "1:2 ") << "a longer one that ends too late";
  EXPECT_EQ(search({"\xC3\xA9", "\xA9"}, "\xC3\xA9"), "0:2 1:1 ");
}

TEST(PatternSet, FindsNothingInNothing) {
  EXPECT_EQ(search({}, "abc"), "");
  EXPECT_EQ(search({"abc"}, ""), "");
  std::vector<PatternSet::Match> matches;
  EXPECT_EQ(PatternSet().find_all("abc", matches), 0u);
  EXPECT_TRUE(matches.empty());
}

TEST(PatternSet, EqualsANaiveSearch) {
  std::mt19937 random(11);
  const auto random_text = [&](size_t max_length) {
    std::string text;
    for (size_t i = random() % max_length + 1; i > 0; --i) text += "ab\xff"[random() % 3];
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::set<std::string> distinct;
    for (size_t i = random() % 8; i > 0; --i) distinct.insert(random_text(6));
    const std::string text = random_text(60);
    std::string expected;
    for (size_t at = 0; at < text.size(); ++at) {
      size_t longest = 0;
      for (const std::string& pattern : distinct)
        if (text.compare(at, pattern.size(), pattern) == 0)
          longest = std::max(longest, pattern.size());
      if (longest > 0) expected += fmt::format("{}:{} ", at, longest);
    }
    ASSERT_EQ(search({distinct.begin(), distinct.end()}, text), expected) << text;
  }
}

// Patterns that share long beginnings, long ends, or nearly match everywhere: a search that starts
// anew at each place takes the length of a pattern times that of the text, here 1000 times as much.
TEST(PatternSet, IsLinearWhateverThePatternsShare) {
  const std::string run(2000, 'a'), text(200'000, 'a');
  std::vector<std::string> prefixes, ends;
  for (size_t i = 0; i < 199; ++i) {
    prefixes.push_back(run.substr(0, 1000 + i) + "!");
    ends.push_back("!" + run.substr(0, 1000 + i));
  }
  EXPECT_EQ(search(prefixes, text), "");
  EXPECT_EQ(search(ends, text), "");
  const std::string once = search({run, "a"}, text.substr(0, 2001));
  EXPECT_TRUE(once.starts_with("0:2000 1:2000 2:1 3:1 ")) << once.substr(0, 40);
}

}  // namespace
}  // namespace bitnetc
