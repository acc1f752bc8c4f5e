// GBNF: what is read, what is refused and how, and which texts a grammar then accepts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "frontend/grammar.h"
#include "frontend/grammar/recognizer.h"

namespace bitnetc {
namespace {

Grammar::Ptr parse(const std::string& text) {
  auto grammar = Grammar::from_gbnf(text);
  EXPECT_TRUE(grammar.ok()) << text << "\n" << grammar.status().message();
  return grammar.ok() ? *grammar : nullptr;
}

bool matches(const Grammar::Ptr& grammar, std::string_view text) {
  GrammarState state(grammar);
  return state.accept(text) && state.may_end();
}

bool begins(const Grammar::Ptr& grammar, std::string_view text) {
  return GrammarState(grammar).accept(text);
}

void expect_refused(const std::string& text, const std::string& said) {
  const auto grammar = Grammar::from_gbnf(text);
  ASSERT_FALSE(grammar.ok()) << text;
  EXPECT_NE(grammar.status().message().find(said), std::string::npos) << text << "\n"
                                                                      << grammar.status().message();
}

TEST(Gbnf, MatchesWhatTheNotationSays) {
  const struct {
    std::string grammar;
    std::vector<std::string> yes, no;
  } cases[] = {
      {R"(root ::= "a")", {"a"}, {"", "b", "aa"}},
      {R"(root ::= "")", {""}, {"a"}},
      {R"(root ::= "a" | "bc")", {"a", "bc"}, {"b", "abc", ""}},
      {R"(root ::= "a"* "b"+ "c"?)", {"b", "aabbc", "bc"}, {"", "ac", "abcc"}},
      {R"(root ::= "ab"*)", {"", "ab", "abab"}, {"aba", "aabb"}},
      {R"(root ::= ("a" | "b"){2,3} "!")", {"ab!", "bbb!"}, {"a!", "abab!", "ab"}},
      {R"(root ::= [a]{3})", {"aaa"}, {"aa", "aaaa"}},
      {R"(root ::= [a]{2,})", {"aa", "aaaaaa"}, {"a", ""}},
      {R"(root ::= [a]{,2} "b")", {"b", "ab", "aab"}, {"aaab"}},
      {R"(root ::= [a-cx-z]+)", {"abcxyz"}, {"d", ""}},
      {R"(root ::= [^a-c])", {"d", "é", "\U0001F600", "\n"}, {"a", "dd"}},
      {R"(root ::= [a-])", {"a", "-"}, {"b"}},
      {R"(root ::= [\]\\\-\^])", {"]", "\\", "-", "^"}, {"["}},
      {"root ::= .", {"x", "\n", "ß", "€", "\U0001F600"}, {"", "xy"}},
      {R"(root ::= "\x41\u00e9\U0001F600\n\t\"\\")", {"A\u00e9\U0001F600\n\t\"\\"}, {"A"}},
      {R"(root ::= [\u0400-\u04ff])", {"Ж"}, {"Z", "é"}},
      {"root ::= one two # a comment\none ::= \"1\"\n# more\ntwo ::= \"2\"\n", {"12"}, {"1", "21"}},
      {"root ::=\n  \"a\"\n  | \"b\"\n\n", {"a", "b"}, {"ab"}},
      {"root ::= (\n  \"a\" # first\n  \"b\"\n) \"c\"", {"abc"}, {"ab"}},
      {"a-b_1 ::= \"x\"\r\nroot ::= a-b_1 | \r\n \"y\"", {"x", "y"}, {"xy"}},
      {R"(root ::= ("a"?)* "b")", {"b", "aab"}, {"a"}},
      {R"g(root ::= "(" root ")" | "x")g", {"x", "((x))"}, {"((x)", "()"}},
      {R"(root ::= item ("," root)?
          item ::= [0-9]+)",
       {"1", "12,3,456"},
       {"1,", ",1"}},
  };
  for (const auto& each : cases) {
    const Grammar::Ptr grammar = parse(each.grammar);
    ASSERT_NE(grammar, nullptr);
    for (const std::string& text : each.yes)
      EXPECT_TRUE(matches(grammar, text)) << each.grammar << "\n" << text;
    for (const std::string& text : each.no)
      EXPECT_FALSE(matches(grammar, text)) << each.grammar << "\n" << text;
  }
}

TEST(Gbnf, ErrorsNameThePlace) {
  expect_refused("", "line 1, column 1: expected a rule 'root'");
  expect_refused("root = \"a\"", "line 1, column 6: expected '::='");
  expect_refused("root ::= \"a", "line 1, column 10: expected '\"' at the end of the literal");
  expect_refused("root ::= \"a", "literal, found the end");
  for (const char* open : {"root ::= [", "root ::= [a", "root ::= [a-"})
    expect_refused(open, "line 1, column 10: expected ']' at the end of the class, found the end");
  expect_refused("root ::= []", "expected a class of at least one character");
  expect_refused("root ::= [z-a]", "line 1, column 11: expected a range");
  expect_refused("root ::= \"é\" ü", "line 1, column 14: expected a literal");
  expect_refused("root ::= ( \"a\"", "expected ')', found the end");
  expect_refused("root ::= \"a\")", "line 1, column 13: expected the end of the rule");
  expect_refused("root ::= \"a\"{3,2}", "expected at least 3, not at most 2");
  expect_refused("root ::= \"a\"{x}", "expected a number");
  expect_refused("root ::= \"a\"{1000000}", "expected at most 100000");
  expect_refused("root ::= \"\\q\"", "expected an escape");
  expect_refused("root ::= \"\\ud800\"", "no surrogate");
  expect_refused("root ::= \"\\U00110000\"", "expected the code point");
  expect_refused("root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: expected one rule 'root'");
  expect_refused("root ::= a\nb ::= \"x\"", "line 1, column 10: expected a rule 'a' somewhere");
  expect_refused("root ::= \"a\"\n\"b\"", "line 2, column 1: expected the name of a rule");
  expect_refused("root ::= \"\xff\"", "not valid UTF-8 at byte 10 (0xFF)");
  expect_refused("root ::= * \"a\"", "line 1, column 10: expected a literal");
}

TEST(Gbnf, RulesThatCannotBeAreNamed) {
  expect_refused("root ::= \"a\" b\nb ::= \"x\" b", "rule b matches no text");
  expect_refused("root ::= \"a\" | root \"b\"", "rule root can begin with itself (root -> root)");
  expect_refused("root ::= a\na ::= b? c\nb ::= \"x\"\nc ::= a \"y\" | \"z\"",
                 "can begin with itself (a -> c -> a)");
  expect_refused("root ::= root", "rule root matches no text");
}

TEST(Gbnf, ChainsOfRulesAreNoRecursion) {
  const auto chain = [](int from, int to, int step) {
    std::string rules;
    for (int i = from; i != to; i += step) rules += fmt::format("a{}::=a{}\n", i, i + 1);
    return rules;
  };
  for (const std::string& rules : {chain(0, 3000, 1), chain(2999, -1, -1)}) {
    EXPECT_TRUE(matches(parse(rules + "a3000::=\"x\"\nroot::=a0"), "x"));
    EXPECT_TRUE(matches(parse(rules + "a3000::=\"x\"*\nroot::=a0"), ""));
    expect_refused(rules + "a3000::=a0\nroot::=a0", "matches no text");
    const auto looped = Grammar::from_gbnf(rules + "a3000::=a0 \"x\"|\"x\"\nroot::=a0");
    ASSERT_FALSE(looped.ok());
    EXPECT_NE(looped.status().message().find("-> ... -> a"), std::string::npos);
    EXPECT_LT(looped.status().message().size(), 500u);
  }
}

TEST(Gbnf, LimitsHold) {
  expect_refused("root ::= " + std::string(70'000, ' ') + "\"a\"", "expected at most 65536");
  // Repetitions of repetitions are rules that call each other.
  EXPECT_TRUE(begins(parse("root ::= ((([ab]{1000}){1000}){1000}){1000}"), "abba"));
  expect_refused("root ::= " + std::string(200, '(') + "\"a\"" + std::string(200, ')'),
                 "nested at most 100 deep");
  expect_refused("root ::= (\"\"){100000} (\"\"){100000} (\"\"){100000}",
                 "more than 100000 states");
  std::string stars = "root ::= \"a\"";
  for (int i = 0; i < 500; ++i) stars += "*";
  expect_refused(stars, "fewer repetitions");
  // Repetitions of groups of repetitions: no deeper than a thread's stack takes.
  std::string groups = "\"a\"";
  for (int i = 0; i < 99; ++i) groups = "(" + groups + std::string(100, '*') + ")";
  expect_refused("root ::= " + groups, "rule root: groups and repetitions are nested deeper than");
  EXPECT_TRUE(matches(parse("root ::= (\"x\" [a-f]{1,50} \";\"){0,1000}"), "xabc;xd;"));
}

TEST(GrammarState, KnowsWhereATextMayAndMustEnd) {
  GrammarState state(parse(R"(root ::= "ab" "c"? | "abd")"));
  EXPECT_FALSE(state.may_end());
  EXPECT_EQ(state.forced_bytes(), "ab");
  EXPECT_TRUE(state.accept("ab"));
  EXPECT_TRUE(state.may_end());
  EXPECT_FALSE(state.must_end());
  EXPECT_EQ(state.forced_bytes(), "");
  EXPECT_FALSE(state.accept("x"));
  EXPECT_TRUE(state.may_end());
  GrammarState other = state;
  EXPECT_TRUE(state.accept("c"));
  EXPECT_TRUE(state.must_end());
  EXPECT_TRUE(other.accept("d"));
  EXPECT_TRUE(other.must_end());
  EXPECT_FALSE(other.accept("c"));
}

TEST(GrammarState, NeverAcceptsWhatIsNotUtf8) {
  const Grammar::Ptr any = parse("root ::= .*");
  for (const std::string bytes : {"\x80", "\xC0", "\xC1\x80", "\xE0\x80", "\xED\xA0", "\xF0\x80",
                                  "\xF4\x90", "\xF5", "\xFF", "\xC3\x28", "\xE2\x82\x41"})
    EXPECT_FALSE(begins(any, bytes));
  GrammarState state(any);
  EXPECT_TRUE(state.accept("\xF0\x9F"));
  EXPECT_FALSE(state.may_end());
  EXPECT_TRUE(state.accept("\x98\x80"));
  EXPECT_TRUE(state.may_end());
}

TEST(GrammarState, ListsAsRightRecursionTakeNoMemoryAndNestingGoesToTheLimit) {
  const Grammar::Ptr list = parse("root ::= item rest\nrest ::= root | \"\"\nitem ::= \"a\"");
  GrammarState state(list);
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(state.accept("a"));
  EXPECT_TRUE(state.may_end());
  const Grammar::Ptr nested = parse("root ::= \"[\" root \"]\" | \"x\"");
  GrammarState deep(nested);
  // A level is a frame and its caller.
  constexpr size_t kDepth = grammar::Load::kMostKept / 2 - 1;
  ASSERT_TRUE(deep.accept(std::string(kDepth, '[') + "x" + std::string(kDepth - 1, ']')));
  EXPECT_FALSE(deep.may_end());
  EXPECT_TRUE(deep.accept("]"));
  EXPECT_TRUE(deep.must_end());
  GrammarState deeper(nested);
  EXPECT_FALSE(deeper.accept(std::string(kDepth + 2, '[')));
}

TEST(GrammarState, AmbiguityDoesNotMultiply) {
  const Grammar::Ptr grammar = parse(
      "root ::= pair | other\npair ::= \"(\" root \")\" | \"x\"\nother ::= \"(\" root \")\" | "
      "\"x\"");
  GrammarState state(grammar);
  ASSERT_TRUE(state.accept(std::string(300, '(') + "x" + std::string(299, ')')));
  EXPECT_FALSE(state.may_end());
  EXPECT_TRUE(state.accept(")"));
  EXPECT_TRUE(state.may_end());
}

}  // namespace
}  // namespace bitnetc
