// Masks against the definition: an id is in the mask if its bytes, tried one after the other, can
// follow.
#include <gtest/gtest.h>

#include <random>

#include "frontend/grammar_filter.h"
#include "tests/frontend/grammar/random_grammar.h"

namespace bitnetc::test {
namespace {

bool has(std::span<const uint64_t> mask, int32_t id) {
  const auto word = static_cast<size_t>(id) / 64;
  return word < mask.size() && (mask[word] >> id % 64 & 1) != 0;
}

// Checks every id, then goes on by a random one that may come. Texts are `texts`, the id behind
// them ends.
std::string walk(const Grammar::Ptr& grammar, const std::vector<std::string>& texts,
                 std::mt19937& random, size_t most_tokens, const TokenMaskOptions& options = {}) {
  const auto end_id = static_cast<int32_t>(texts.size());
  GrammarFilter filter(std::make_shared<TokenMasks>(
      grammar, std::make_shared<const TokenTrie>(texts), std::vector<int32_t>{end_id}, options));
  GrammarState state(grammar);
  std::string text;
  for (size_t count = 0; count < most_tokens; ++count) {
    const std::vector<uint64_t> mask(filter.allowed().begin(), filter.allowed().end());
    std::vector<int32_t> possible;
    for (int32_t id = 0; id < end_id; ++id) {
      GrammarState next = state;
      const std::string& piece = texts[static_cast<size_t>(id)];
      const bool follows = !piece.empty() && next.accept(piece);
      EXPECT_EQ(has(mask, id), follows) << "'" << text << "' + '" << piece << "'";
      if (has(mask, id) != follows) return text;
      if (follows) possible.push_back(id);
      if (!follows) {
        EXPECT_FALSE(filter.fork()->accept(id));
      }
    }
    EXPECT_EQ(has(mask, end_id), state.may_end()) << "'" << text << "'";
    if (possible.empty()) {
      EXPECT_TRUE(state.must_end()) << "'" << text << "'";
      return text;
    }
    const int32_t id = possible[random() % possible.size()];
    EXPECT_TRUE(filter.accept(id));
    state.accept(texts[static_cast<size_t>(id)]);
    text += texts[static_cast<size_t>(id)];
  }
  return text;
}

std::vector<std::string> random_texts(std::mt19937& random, std::string_view alphabet,
                                      size_t count) {
  std::vector<std::string> texts;
  for (const char byte : alphabet) texts.emplace_back(1, byte);
  for (size_t i = 0; i < count; ++i) {
    std::string text;
    for (size_t length = random() % 7; length > 0; --length)
      text += alphabet[random() % alphabet.size()];
    texts.push_back(text);
  }
  return texts;
}

TEST(TokenMasks, AreWhatTheBytesSayForRandomGrammars) {
  std::mt19937 random(1);
  int walked = 0;
  for (unsigned seed = 0; seed < 600; ++seed) {
    const RandomGrammar made(seed, 1 + seed % 4);
    const auto grammar = Grammar::from_gbnf(made.gbnf());
    if (!grammar.ok()) continue;
    ++walked;
    SCOPED_TRACE(made.gbnf());
    walk(*grammar, random_texts(random, "abc", 60), random, 30);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(walked, 150);
}

constexpr const char* kJson = R"gbnf(
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}" ws
array  ::= "[" ws (value ("," ws value)*)? "]" ws
string ::= "\"" ([^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
)gbnf";

TEST(TokenMasks, AreWhatTheBytesSayForJson) {
  const auto grammar = Grammar::from_gbnf(kJson);
  ASSERT_TRUE(grammar.ok()) << grammar.status().message();
  std::mt19937 random(2);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> texts =
        random_texts(random, "{}[]\":,\\ue1-. \nx\xC3\xA9\xF0\x9F\x98\x80\xE2\x82\xAC\x01", 300);
    for (const char* each :
         {"\u00e9", "\u20ac", "\U0001F600", "abcdefghijklmnopqrstuvwxyz0123456789", "\"}", "\":\"",
          "\u00e9\"", "\x98\x80\"", "true", "null", "\\u00"})
      texts.emplace_back(each);
    // A small cache is emptied all the time.
    walk(*grammar, texts, random, 60, {.cache_bytes = round % 2 == 0 ? 4'000u : 1u << 20});
    if (testing::Test::HasFailure()) return;
  }
}

TEST(TokenMasks, StringsOfABoundedLengthAndOtherAlphabets) {
  std::mt19937 random(3);
  std::vector<std::string> texts = random_texts(random, "ab\"\\,\xC3\xA9\xAA", 300);
  for (size_t length = 1; length < 40; ++length) texts.emplace_back(length, 'a');
  for (const char* source :
       {R"(root ::= "\"" [^"\\]{0,30} "\"" ","?)", R"(root ::= "\"" ([^"\\] | "\\" [a"])* "\"")",
        R"(root ::= "\"" [^"\\b]* "\"")", R"(root ::= ("\"" [^"\\\u00e9]* "\"" ","?)*)",
        "root ::= .*", R"(root ::= text "\"" root | text ","
                          text ::= char{0,500}
                          char ::= [^"\\] | "\\" .)"}) {
    const auto grammar = Grammar::from_gbnf(source);
    ASSERT_TRUE(grammar.ok()) << grammar.status().message();
    SCOPED_TRACE(source);
    for (int round = 0; round < 5; ++round) walk(*grammar, texts, random, 40);
    if (testing::Test::HasFailure()) return;
  }
}

// Grammars that are ambiguous everywhere come to the limits: masks may lose ids there, but let none
// through that is refused, and do not depend on which were made before.
TEST(TokenMasks, OfHostileGrammarsKeepToWhatIsAccepted) {
  const char* const grammars[] = {R"(root ::= ((((("a" | "b")*)*)+)*)*)",
                                  R"(root ::= ((("a" | "b"){0,3}){0,40}){0,40})",
                                  R"(root ::= x x x x x x x x x x x x
         x ::= ("a" x? "b"? | "b" x? "a"? | "ab" x)*)",
                                  R"(root ::= "a" root root? root? | "b" root? | "a")"};
  const std::vector<std::string> texts = {"a", "b", "ab", "ba", "aaaa", "abababab", "bbbbbbbbbbbb"};
  const auto end_id = static_cast<int32_t>(texts.size());
  const auto trie = std::make_shared<const TokenTrie>(texts);
  std::mt19937 random(4);
  for (const char* source : grammars) {
    SCOPED_TRACE(source);
    const auto grammar = Grammar::from_gbnf(source);
    ASSERT_TRUE(grammar.ok()) << grammar.status().message();
    for (const int64_t most_work : {30, 100'000}) {
      const TokenMaskOptions options{.most_work = most_work};
      const std::vector<int32_t> end_ids = {end_id};
      const auto masks = std::make_shared<TokenMasks>(*grammar, trie, end_ids, options);
      GrammarFilter filter(masks);
      GrammarState state(*grammar);
      for (int count = 0; count < 30; ++count) {
        const std::vector<uint64_t> mask(filter.allowed().begin(), filter.allowed().end());
        EXPECT_EQ(mask, *TokenMasks(*grammar, trie, end_ids, options).mask(state, false));
        std::vector<int32_t> possible;
        for (int32_t id = 0; id < end_id; ++id) {
          if (!has(mask, id)) continue;
          possible.push_back(id);
          ASSERT_TRUE(GrammarState(state).accept(texts[static_cast<size_t>(id)])) << count;
        }
        if (possible.empty()) break;
        const int32_t id = possible[random() % possible.size()];
        ASSERT_TRUE(filter.accept(id));
        ASSERT_TRUE(state.accept(texts[static_cast<size_t>(id)]));
      }
    }
  }
}

TEST(GrammarFilter, EndsWhereTheGrammarMayEndAndForksGoApart) {
  const auto grammar = Grammar::from_gbnf(R"(root ::= "a" "b"?)");
  ASSERT_TRUE(grammar.ok());
  const std::vector<std::string> texts = {"a", "b", "ab", ""};
  GrammarFilter filter(std::make_shared<TokenMasks>(
      *grammar, std::make_shared<const TokenTrie>(texts), std::vector<int32_t>{3}));
  EXPECT_EQ(filter.allowed()[0], 0b0101u);
  EXPECT_EQ(filter.forced_bytes(), "a");
  EXPECT_FALSE(filter.accept(3));
  EXPECT_FALSE(filter.accept(-1));
  EXPECT_FALSE(filter.accept(1'000));
  ASSERT_TRUE(filter.accept(0));
  EXPECT_EQ(filter.allowed()[0], 0b1010u);
  const auto fork = filter.fork();
  EXPECT_TRUE(fork->accept(1));
  EXPECT_EQ(fork->allowed()[0], 0b1000u);
  EXPECT_TRUE(filter.accept(3));
  EXPECT_TRUE(filter.allowed().empty());
  EXPECT_TRUE(filter.may_end());
  EXPECT_FALSE(filter.accept(1));
}

}  // namespace
}  // namespace bitnetc::test
