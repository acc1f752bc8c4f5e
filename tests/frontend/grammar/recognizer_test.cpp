// The recogniser against languages that were enumerated.
#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "frontend/grammar.h"
#include "tests/frontend/grammar/random_grammar.h"

namespace bitnetc::test {
namespace {

constexpr size_t kLength = 7;

// Whether some text goes on with at most `more` bytes to its end.
bool has_end(const GrammarState& from, size_t more) {
  std::deque<std::pair<GrammarState, size_t>> waiting = {{from, 0}};
  for (int looked_at = 0; !waiting.empty() && looked_at < 20'000; ++looked_at) {
    const auto [state, length] = waiting.front();
    waiting.pop_front();
    if (state.may_end()) return true;
    for (const char byte : {'a', 'b'}) {
      GrammarState next = state;
      if (length < more && next.accept(std::string(1, byte)))
        waiting.emplace_back(next, length + 1);
    }
  }
  return false;
}

bool begins_one(const Language& language, const std::string& prefix) {
  const auto at = language.lower_bound(prefix);
  return at != language.end() && at->starts_with(prefix);
}

// All texts up to kLength that begin with `text`.
void check(const GrammarState& state, const Language& language, const std::string& text) {
  ASSERT_EQ(state.may_end(), language.contains(text)) << "'" << text << "'";
  if (text.size() == kLength) return;
  bool goes_on = false;
  for (const char byte : {'a', 'b'}) {
    GrammarState next = state;
    const std::string longer = text + byte;
    if (next.accept(std::string(1, byte))) {
      goes_on = true;
      // Longer ones may need ends that take long to find.
      EXPECT_TRUE(longer.size() > 2 || begins_one(language, longer) || has_end(next, 40))
          << "'" << longer << "'";
      check(next, language, longer);
    } else {
      ASSERT_FALSE(begins_one(language, longer)) << "'" << longer << "'";
    }
  }
  EXPECT_EQ(state.must_end(), !goes_on) << "'" << text << "'";
}

TEST(Recognizer, AgreesWithEnumeratedLanguages) {
  int accepted = 0, recursive = 0, empty = 0;
  for (unsigned seed = 0; seed < 1'000; ++seed) {
    const RandomGrammar random(seed, 1 + seed % 4);
    const auto grammar = Grammar::from_gbnf(random.gbnf());
    if (!grammar.ok()) {
      const bool is_recursive =
          grammar.status().message().find("begin with itself") != std::string::npos;
      const bool is_empty = grammar.status().message().find("matches no text") != std::string::npos;
      ASSERT_TRUE(is_recursive || is_empty) << grammar.status().message();
      recursive += is_recursive;
      empty += is_empty;
      continue;
    }
    ++accepted;
    SCOPED_TRACE(random.gbnf());
    check(GrammarState(*grammar), random.language(kLength), "");
    if (HasFailure()) return;
  }
  EXPECT_GT(accepted, 300);
  EXPECT_GT(recursive, 20);
  EXPECT_GT(empty, 20);
}

}  // namespace
}  // namespace bitnetc::test
