// The grammar of the notation:
//
//   grammar     = { rule }
//   rule        = name "::=" choice end-of-line
//   choice      = sequence { "|" sequence }
//   sequence    = { item [ "*" | "+" | "?" | "{" m [ "," [ n ] ] "}" ] }
//   item        = literal | class | "." | name | "(" choice ")"
//
// A comment reaches from # to the end of its line. A line ends a rule, unless it ends inside
// parentheses, behind "::=" or "|", or the next line begins with "|".
#include "frontend/grammar/gbnf_parser.h"

#include <map>

#include "frontend/grammar/source_text.h"
#include "frontend/unicode/utf8.h"

namespace bitnetc::grammar {
namespace {

constexpr std::string_view kNotation = "GBNF";

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class GbnfParser {
 public:
  explicit GbnfParser(std::string_view text) : text_(kNotation, text) {}

  Result<SourceGrammar> parse() {
    skip_space(true);
    while (!text_.at_end()) {
      BITNETC_RETURN_IF_ERROR(parse_rule());
      skip_space(true);
    }
    for (const auto& [name, rule] : rules_)
      if (!rule.is_defined)
        return text_.error_at(rule.first_use, fmt::format("expected a rule '{}' somewhere", name));
    const auto root = rules_.find("root");
    if (root == rules_.end()) return text_.error("expected a rule 'root'");
    grammar_.root = root->second.id;
    return std::move(grammar_);
  }

 private:
  struct Rule {
    RuleId id = 0;
    bool is_defined = false;
    size_t first_use = 0;
  };

  // White space and comments; of lines, too, where `over_lines`.
  void skip_space(bool over_lines) {
    for (;;) {
      const char c = text_.peek();
      if (c == ' ' || c == '\t' || (over_lines && (c == '\n' || c == '\r'))) {
        text_.skip(1);
      } else if (c == '#') {
        while (!text_.at_end() && text_.peek() != '\n' && text_.peek() != '\r') text_.skip(1);
      } else {
        return;
      }
    }
  }

  // Over lines as well, if the next thing is a "|".
  void skip_space_to_bar() {
    const SourceText before = text_;
    skip_space(true);
    if (text_.peek() != '|') {
      text_ = before;
      skip_space(false);
    }
  }

  Rule& rule_named(std::string_view name, size_t offset) {
    const auto [at, is_new] = rules_.emplace(std::string(name), Rule{.first_use = offset});
    if (is_new) at->second.id = grammar_.add_rule(std::string(name));
    return at->second;
  }

  std::string_view take_name() {
    const size_t begin = text_.offset();
    while (is_name_character(text_.peek())) text_.skip(1);
    return text_.from(begin);
  }

  Status parse_rule() {
    const size_t begin = text_.offset();
    const std::string_view name = take_name();
    if (name.empty()) return text_.error("expected the name of a rule");
    Rule& rule = rule_named(name, begin);
    if (rule.is_defined)
      return text_.error_at(begin, fmt::format("expected one rule '{}', this is another", name));
    rule.is_defined = true;
    skip_space(false);
    if (!text_.consume("::=")) return text_.error("expected '::='");
    skip_space(true);
    const RuleId id = rule.id;
    BITNETC_ASSIGN_OR_RETURN(const ExpressionId body, parse_choice(0));
    grammar_.set_body(id, body);
    if (!text_.at_end() && text_.peek() != '\n' && text_.peek() != '\r')
      return text_.error("expected the end of the rule");
    return {};
  }

  Result<ExpressionId> parse_choice(int depth) {
    if (depth > kMostNesting)
      return text_.error(fmt::format("expected groups nested at most {} deep", kMostNesting));
    std::vector<ExpressionId> parts;
    for (;;) {
      BITNETC_ASSIGN_OR_RETURN(const ExpressionId part, parse_sequence(depth));
      parts.push_back(part);
      if (depth == 0) skip_space_to_bar();
      if (!text_.consume("|")) return grammar_.choice(std::move(parts));
      skip_space(true);
    }
  }

  bool ends_sequence() const {
    const char c = text_.peek();
    return text_.at_end() || c == '|' || c == ')' || c == '\n' || c == '\r';
  }

  Result<ExpressionId> parse_sequence(int depth) {
    std::vector<ExpressionId> parts;
    while (!ends_sequence()) {
      BITNETC_ASSIGN_OR_RETURN(ExpressionId part, parse_item(depth));
      skip_space(depth > 0);
      BITNETC_ASSIGN_OR_RETURN(part, parse_repetitions(part, depth));
      parts.push_back(part);
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<ExpressionId> parse_item(int depth) {
    const size_t begin = text_.offset();
    if (text_.consume("\"")) return parse_literal(begin);
    if (text_.consume("[")) return parse_class(begin);
    if (text_.consume(".")) return grammar_.character(CharacterSet::all());
    if (text_.consume("(")) {
      skip_space(true);
      BITNETC_ASSIGN_OR_RETURN(const ExpressionId inner, parse_choice(depth + 1));
      if (!text_.consume(")")) return text_.error("expected ')'");
      return inner;
    }
    const std::string_view name = take_name();
    if (name.empty())
      return text_.error("expected a literal, a class, '.', '(' or the name of a rule");
    return grammar_.rule(rule_named(name, begin).id);
  }

  Result<ExpressionId> parse_repetitions(ExpressionId part, int depth) {
    for (int count = 0;; ++count) {
      const char c = text_.peek();
      uint32_t least = c == '+' ? 1 : 0;
      uint32_t most = c == '?' ? 1 : kUnlimited;
      if (c != '*' && c != '+' && c != '?' && c != '{') return part;
      if (count > kMostNesting) return text_.error("expected fewer repetitions of repetitions");
      text_.skip(1);
      if (c == '{') BITNETC_RETURN_IF_ERROR(parse_counts(least, most));
      skip_space(depth > 0);
      part = grammar_.repetition(part, least, most);
    }
  }

  // "{" is read.
  Status parse_counts(uint32_t& least, uint32_t& most) {
    skip_space(false);
    const size_t begin = text_.offset();
    if (text_.peek() != ',') {
      BITNETC_ASSIGN_OR_RETURN(least, text_.take_count(kMostRepetitions));
    }
    skip_space(false);
    most = least;
    if (text_.consume(",")) {
      skip_space(false);
      most = kUnlimited;
      if (text_.peek() != '}') {
        BITNETC_ASSIGN_OR_RETURN(most, text_.take_count(kMostRepetitions));
      }
      skip_space(false);
    }
    if (!text_.consume("}")) return text_.error("expected '}'");
    if (least > most)
      return text_.error_at(begin,
                            fmt::format("expected at least {}, not at most {}", least, most));
    return {};
  }

  Result<ExpressionId> parse_literal(size_t begin) {
    std::string bytes;
    while (text_.peek() != '"') {
      if (text_.at_end()) return text_.unclosed(begin, "expected '\"' at the end of the literal");
      BITNETC_ASSIGN_OR_RETURN(const uint32_t character, take_character());
      append_utf8(character, bytes);
    }
    text_.skip(1);
    return grammar_.bytes(bytes);
  }

  Result<ExpressionId> parse_class(size_t begin) {
    const bool is_negated = text_.consume("^");
    std::vector<CodePointRange> ranges;
    while (text_.peek() != ']') {
      if (text_.at_end()) return text_.unclosed(begin, "expected ']' at the end of the class");
      const size_t range_begin = text_.offset();
      CodePointRange range;
      BITNETC_ASSIGN_OR_RETURN(range.first, take_character());
      range.last = range.first;
      if (text_.peek() == '-' && text_.peek(1) != ']') {
        text_.skip(1);
        if (text_.at_end()) return text_.unclosed(begin, "expected ']' at the end of the class");
        BITNETC_ASSIGN_OR_RETURN(range.last, take_character());
      }
      if (range.first > range.last)
        return text_.error_at(range_begin,
                              "expected a range whose first character is not behind "
                              "its last");
      ranges.push_back(range);
    }
    text_.skip(1);
    CharacterSet set = CharacterSet::of_ranges(std::move(ranges));
    if (is_negated) set = set.complement();
    if (set.empty()) return text_.error_at(begin, "expected a class of at least one character");
    return grammar_.character(std::move(set));
  }

  // Of a literal or class, escapes resolved.
  Result<uint32_t> take_character() {
    const size_t begin = text_.offset();
    if (!text_.consume("\\")) return text_.take_character();
    const char kind = text_.peek();
    if (text_.at_end()) return text_.error("expected an escape");
    text_.skip(1);
    switch (kind) {
      case 'n': return uint32_t{'\n'};
      case 't': return uint32_t{'\t'};
      case 'r': return uint32_t{'\r'};
      case 'x': return text_.take_hex(2);
      case 'u': return text_.take_hex(4);
      case 'U': return text_.take_hex(8);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^': return static_cast<uint32_t>(kind);
      default:
        return text_.error_at(begin,
                              "expected an escape (\\n \\t \\r \\\\ \\\" \\[ \\] \\- \\^ \\xHH "
                              "\\uHHHH \\UHHHHHHHH)");
    }
  }

  SourceText text_;
  SourceGrammar grammar_;
  std::map<std::string, Rule, std::less<>> rules_;
};

}  // namespace

Result<SourceGrammar> parse_gbnf(std::string_view text) {
  BITNETC_RETURN_IF_ERROR(check_utf8(kNotation, text));
  return GbnfParser(text).parse();
}

}  // namespace bitnetc::grammar
