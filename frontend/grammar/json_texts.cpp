#include "frontend/grammar/json_texts.h"

#include <algorithm>

#include "frontend/unicode/utf8.h"

namespace bitnetc::grammar {
namespace {

CharacterSet json_plain() {
  return CharacterSet::of_ranges({{' ', '!'}, {'#', '['}, {']', kLastCodePoint}});
}

// Names by their characters.
struct NameNode {
  std::map<uint32_t, NameNode> next;
  bool is_name = false;
};

ExpressionId spell_others(const NameNode& node, ExpressionId rest, SourceGrammar& grammar) {
  std::vector<ExpressionId> ways;
  if (!node.is_name) ways.push_back(grammar.empty());
  std::vector<CodePointRange> taken;
  for (const auto& [character, next] : node.next) {
    taken.push_back({character, character});
    ways.push_back(grammar.sequence(
        {grammar.character(CharacterSet::of(character)), spell_others(next, rest, grammar)}));
  }
  ways.push_back(grammar.sequence(
      {grammar.character(json_plain().without(CharacterSet::of_ranges(std::move(taken)))), rest}));
  return grammar.choice(std::move(ways));
}

}  // namespace

ExpressionId JsonTexts::space() {
  if (!space_) {
    const ExpressionId lines =
        grammar_.sequence({grammar_.bytes("\n"), grammar_.repetition(grammar_.bytes(" "), 0, 20)});
    space_ = grammar_.add_rule("white space",
                               grammar_.choice({grammar_.empty(), grammar_.bytes(" "), lines}));
  }
  return grammar_.rule(*space_);
}

// As it is, as a letter behind a backslash, or by the number of its code units: two surrogates that
// belong together, or one unit that is none.
ExpressionId JsonTexts::string_character() {
  const auto set = [&](std::vector<CodePointRange> ranges) {
    return grammar_.character(CharacterSet::of_ranges(std::move(ranges)));
  };
  const ExpressionId hex = set({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  const ExpressionId d = set({{'D', 'D'}, {'d', 'd'}});
  const ExpressionId low_surrogate =
      grammar_.sequence({grammar_.bytes("\\u"), d, set({{'C', 'F'}, {'c', 'f'}}), hex, hex});
  const ExpressionId unit = grammar_.choice(
      {grammar_.sequence(
           {set({{'0', '9'}, {'A', 'C'}, {'a', 'c'}, {'E', 'F'}, {'e', 'f'}}), hex, hex, hex}),
       grammar_.sequence({d, set({{'0', '7'}}), hex, hex}),
       grammar_.sequence({d, set({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}), hex, hex, low_surrogate})});
  const ExpressionId letter = grammar_.character(CharacterSet::of_ranges({{'"', '"'},
                                                                          {'/', '/'},
                                                                          {'\\', '\\'},
                                                                          {'b', 'b'},
                                                                          {'f', 'f'},
                                                                          {'n', 'n'},
                                                                          {'r', 'r'},
                                                                          {'t', 't'}}));
  const ExpressionId escape = grammar_.sequence(
      {grammar_.bytes("\\"),
       grammar_.choice({letter, grammar_.sequence({grammar_.bytes("u"), unit})})});
  return grammar_.choice({grammar_.character(json_plain()), escape});
}

ExpressionId JsonTexts::string(uint32_t least, uint32_t most) {
  const auto [known, is_new] = strings_.emplace(std::pair(least, most), 0);
  if (is_new)
    known->second = grammar_.add_rule(
        "a string", grammar_.sequence({grammar_.bytes("\""),
                                       grammar_.repetition(string_character(), least, most),
                                       grammar_.bytes("\"")}));
  return grammar_.rule(known->second);
}

ExpressionId JsonTexts::string_but(const std::vector<std::string>& names) {
  NameNode root;
  for (std::string_view name : names) {
    NameNode* node = &root;
    while (!name.empty()) {
      const Utf8Unit unit = first_utf8_unit(name);
      node = &node->next[unit.code_point];
      name.remove_prefix(unit.length_bytes);
    }
    node->is_name = true;
  }
  const ExpressionId rest = grammar_.rule(grammar_.add_rule(
      "the rest of a name", grammar_.repetition(grammar_.character(json_plain()), 0, kUnlimited)));
  return grammar_.sequence(
      {grammar_.bytes("\""), spell_others(root, rest, grammar_), grammar_.bytes("\"")});
}

ExpressionId JsonTexts::digits(uint32_t least, uint32_t most) {
  return grammar_.repetition(grammar_.character(CharacterSet::range('0', '9')), least, most);
}

ExpressionId JsonTexts::integer() {
  return grammar_.sequence(
      {grammar_.optional(grammar_.bytes("-")),
       grammar_.choice({grammar_.bytes("0"),
                        grammar_.sequence({grammar_.character(CharacterSet::range('1', '9')),
                                           digits(0, kMostDigits - 1)})})});
}

ExpressionId JsonTexts::number() {
  if (!number_) {
    const ExpressionId fraction = grammar_.sequence({grammar_.bytes("."), digits(1, kMostDigits)});
    const ExpressionId exponent = grammar_.sequence(
        {grammar_.character(CharacterSet::of_ranges({{'E', 'E'}, {'e', 'e'}})),
         grammar_.optional(grammar_.character(CharacterSet::of_ranges({{'+', '+'}, {'-', '-'}}))),
         digits(1, kMostExponentDigits)});
    number_ = grammar_.add_rule(
        "a number",
        grammar_.sequence({integer(), grammar_.optional(fraction), grammar_.optional(exponent)}));
  }
  return grammar_.rule(*number_);
}

ExpressionId JsonTexts::list(std::string_view open, ExpressionId member, std::string_view close,
                             uint32_t least, uint32_t most) {
  const uint32_t more = most == kUnlimited ? kUnlimited : most - std::min(most, 1u);
  const ExpressionId others =
      grammar_.repetition(grammar_.sequence({comma(), member}), std::max(least, 1u) - 1, more);
  const ExpressionId some = grammar_.sequence({member, others, space()});
  const ExpressionId inner =
      most == 0 ? grammar_.empty() : (least == 0 ? grammar_.optional(some) : some);
  return grammar_.sequence({grammar_.bytes(open), space(), inner, grammar_.bytes(close)});
}

ExpressionId JsonTexts::any_object(int depth) {
  const auto [known, is_new] = any_.emplace(std::pair('{', depth), 0);
  if (is_new) {
    const RuleId rule = grammar_.add_rule("any object");
    known->second = rule;
    const ExpressionId member =
        grammar_.sequence({string(), grammar_.bytes(":"), space(), any_value(depth + 1)});
    grammar_.set_body(rule, list("{", member, "}"));
    return grammar_.rule(rule);
  }
  return grammar_.rule(known->second);
}

ExpressionId JsonTexts::any_array(int depth) {
  const auto [known, is_new] = any_.emplace(std::pair('[', depth), 0);
  if (is_new) {
    const RuleId rule = grammar_.add_rule("any array");
    known->second = rule;
    grammar_.set_body(rule, list("[", any_value(depth + 1), "]"));
    return grammar_.rule(rule);
  }
  return grammar_.rule(known->second);
}

ExpressionId JsonTexts::any_value(int depth) {
  const auto [known, is_new] = any_.emplace(std::pair('v', depth), 0);
  if (is_new) {
    const RuleId rule = grammar_.add_rule("any value");
    known->second = rule;
    std::vector<ExpressionId> ways = {string(), number(), grammar_.bytes("true"),
                                      grammar_.bytes("false"), grammar_.bytes("null")};
    if (depth < kMostJsonDepth) {
      ways.push_back(any_object(depth));
      ways.push_back(any_array(depth));
    }
    grammar_.set_body(rule, grammar_.choice(std::move(ways)));
    return grammar_.rule(rule);
  }
  return grammar_.rule(known->second);
}

}  // namespace bitnetc::grammar
