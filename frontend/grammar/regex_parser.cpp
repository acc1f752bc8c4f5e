#include "frontend/grammar/regex_parser.h"

#include <fmt/format.h>

#include <optional>

#include "frontend/grammar/source_text.h"
#include "frontend/unicode/utf8.h"

namespace bitnetc::grammar {
namespace {

constexpr std::string_view kRegexNotation = "regular expression";
// White space and ends of lines, as ECMAScript has them.
const CharacterSet& white_space() {
  static const CharacterSet set = CharacterSet::of_ranges({{'\t', '\r'},
                                                           {' ', ' '},
                                                           {0xA0, 0xA0},
                                                           {0x1680, 0x1680},
                                                           {0x2000, 0x200A},
                                                           {0x2028, 0x2029},
                                                           {0x202F, 0x202F},
                                                           {0x205F, 0x205F},
                                                           {0x3000, 0x3000},
                                                           {0xFEFF, 0xFEFF}});
  return set;
}
CharacterSet all_but_line_ends() {
  return CharacterSet::of_ranges({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}).complement();
}

// \d and its like; nothing for other letters.
std::optional<CharacterSet> class_escape(char letter) {
  CharacterSet digits = CharacterSet::range('0', '9');
  CharacterSet word = CharacterSet::of_ranges({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
  switch (letter) {
    case 'd': return digits;
    case 'D': return digits.complement();
    case 'w': return word;
    case 'W': return word.complement();
    case 's': return white_space();
    case 'S': return white_space().complement();
    default: return std::nullopt;
  }
}

class RegexParser {
 public:
  RegexParser(std::string_view pattern, RegexUse use, SourceGrammar& grammar)
      : text_(kRegexNotation, pattern), use_(use), grammar_(grammar) {}

  Result<ExpressionId> parse() {
    BITNETC_ASSIGN_OR_RETURN(const ExpressionId all, parse_choice(0));
    if (!text_.at_end()) return text_.error("expected no ')' without a '('");
    return all;
  }

 private:
  ExpressionId spelled(const CharacterSet& set) {
    return use_ == RegexUse::kWhole ? grammar_.character(set) : json_spelling(set, grammar_);
  }
  ExpressionId anything() {
    return grammar_.repetition(spelled(CharacterSet::all()), 0, kUnlimited);
  }

  Result<ExpressionId> parse_choice(int depth) {
    if (depth > kMostNesting)
      return text_.error(fmt::format("expected groups nested at most {} deep", kMostNesting));
    std::vector<ExpressionId> parts;
    do {
      BITNETC_ASSIGN_OR_RETURN(const ExpressionId part, parse_sequence(depth));
      parts.push_back(part);
    } while (text_.consume("|"));
    return grammar_.choice(std::move(parts));
  }

  Result<ExpressionId> parse_sequence(int depth) {
    std::vector<ExpressionId> parts;
    const bool searches = use_ == RegexUse::kJsonSearch && depth == 0;
    if (!(depth == 0 && text_.consume("^")) && searches) parts.push_back(anything());
    bool is_open = searches;
    while (!text_.at_end() && text_.peek() != '|' && text_.peek() != ')') {
      if (depth == 0 && text_.peek() == '$' && (text_.peek(1) == '|' || text_.peek(1) == '\0')) {
        text_.skip(1);
        is_open = false;
        break;
      }
      BITNETC_ASSIGN_OR_RETURN(ExpressionId part, parse_item(depth));
      BITNETC_ASSIGN_OR_RETURN(part, parse_quantifier(part));
      parts.push_back(part);
    }
    if (is_open) parts.push_back(anything());
    return grammar_.sequence(std::move(parts));
  }

  Result<ExpressionId> parse_item(int depth) {
    const size_t begin = text_.offset();
    const char c = text_.peek();
    if (c == '^' || c == '$')
      return text_.error("expected an anchor only at the beginning or the end of the expression");
    if (c == '*' || c == '+' || c == '?') return text_.error("expected something to repeat");
    if (text_.consume(".")) return spelled(all_but_line_ends());
    if (text_.consume("[")) return parse_class(begin);
    if (text_.consume("(")) {
      if (text_.peek() == '?' && !text_.consume("?:"))
        return text_.error_at(begin,
                              "expected '(' or '(?:': look-around and named groups are not "
                              "supported");
      BITNETC_ASSIGN_OR_RETURN(const ExpressionId inner, parse_choice(depth + 1));
      if (!text_.consume(")")) return text_.unclosed(begin, "expected ')' behind the group");
      return inner;
    }
    if (c == '\\') {
      if (const auto set = class_escape(text_.peek(1))) {
        text_.skip(2);
        return spelled(*set);
      }
    }
    BITNETC_ASSIGN_OR_RETURN(const uint32_t character, take_character(false));
    return spelled(CharacterSet::of(character));
  }

  Result<ExpressionId> parse_quantifier(ExpressionId part) {
    const size_t begin = text_.offset();
    uint32_t least = 0, most = kUnlimited;
    if (text_.consume("+")) {
      least = 1;
    } else if (text_.consume("?")) {
      most = 1;
    } else if (text_.consume("{")) {
      BITNETC_ASSIGN_OR_RETURN(least, text_.take_count(kMostRepetitions));
      most = least;
      if (text_.consume(",")) {
        most = kUnlimited;
        if (text_.peek() != '}') {
          BITNETC_ASSIGN_OR_RETURN(most, text_.take_count(kMostRepetitions));
        }
      }
      if (!text_.consume("}")) return text_.error("expected '}'");
      if (least > most)
        return text_.error_at(begin,
                              fmt::format("expected at least {}, not at most {}", least, most));
    } else if (!text_.consume("*")) {
      return part;
    }
    text_.consume("?");  // the texts are the same, however eagerly they are looked for
    const char c = text_.peek();
    if (c == '*' || c == '+' || c == '?' || c == '{')
      return text_.error("expected no second quantifier");
    return grammar_.repetition(part, least, most);
  }

  Result<ExpressionId> parse_class(size_t begin) {
    const bool is_negated = text_.consume("^");
    std::vector<CodePointRange> ranges;
    while (text_.peek() != ']') {
      if (text_.at_end()) return text_.unclosed(begin, "expected ']' at the end of the class");
      const size_t range_begin = text_.offset();
      if (text_.peek() == '\\') {
        if (const auto set = class_escape(text_.peek(1))) {
          text_.skip(2);
          ranges.insert(ranges.end(), set->ranges().begin(), set->ranges().end());
          continue;
        }
      }
      CodePointRange range;
      BITNETC_ASSIGN_OR_RETURN(range.first, take_character(true));
      range.last = range.first;
      if (text_.peek() == '-' && text_.peek(1) != ']' && text_.peek(1) != '\0') {
        text_.skip(1);
        BITNETC_ASSIGN_OR_RETURN(range.last, take_character(true));
      }
      if (range.first > range.last)
        return text_.error_at(range_begin,
                              "expected a range whose first character is not behind its last");
      ranges.push_back(range);
    }
    text_.skip(1);
    CharacterSet set = CharacterSet::of_ranges(std::move(ranges));
    if (is_negated) set = set.complement();
    if (set.empty()) return text_.error_at(begin, "expected a class of at least one character");
    return spelled(set);
  }

  Result<uint32_t> take_character(bool in_class) {
    const size_t begin = text_.offset();
    if (!text_.consume("\\")) return text_.take_character();
    const char kind = text_.peek();
    if (text_.at_end()) return text_.error("expected an escape");
    text_.skip(1);
    switch (kind) {
      case 'n': return uint32_t{'\n'};
      case 't': return uint32_t{'\t'};
      case 'r': return uint32_t{'\r'};
      case 'f': return uint32_t{'\f'};
      case 'v': return uint32_t{'\v'};
      case 'x': return text_.take_hex(2);
      case 'u': return text_.take_hex(4);
      default: break;
    }
    const bool is_sign = kind > ' ' && kind < '\x7F' && !(kind >= '0' && kind <= '9') &&
                         !(kind >= 'A' && kind <= 'Z') && !(kind >= 'a' && kind <= 'z');
    if (is_sign) return static_cast<uint32_t>(kind);
    if (kind == 'b' && in_class) return uint32_t{'\b'};
    return text_.error_at(begin,
                          "expected an escape (\\d \\D \\w \\W \\s \\S \\n \\t \\r \\f \\v \\xHH "
                          "\\uHHHH or a sign): \\b, \\p and back references are not supported");
  }

  SourceText text_;
  const RegexUse use_;
  SourceGrammar& grammar_;
};

}  // namespace

std::string json_escape(uint32_t character) {
  switch (character) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return fmt::format("\\u{:04x}", character);
  }
}

ExpressionId json_spelling(const CharacterSet& set, SourceGrammar& grammar) {
  const CharacterSet escaped = CharacterSet::of_ranges({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
  std::vector<ExpressionId> ways;
  const CharacterSet as_it_is = set.without(escaped);
  if (!as_it_is.empty()) ways.push_back(grammar.character(as_it_is));
  const CharacterSet by_escape = set.both(escaped);
  for (const CodePointRange& each : by_escape.ranges())
    for (uint32_t c = each.first; c <= each.last; ++c)
      ways.push_back(grammar.bytes(json_escape(c)));
  return grammar.choice(std::move(ways));
}

Result<ExpressionId> parse_regex(std::string_view pattern, RegexUse use, SourceGrammar& grammar) {
  BITNETC_RETURN_IF_ERROR(check_utf8(kRegexNotation, pattern));
  return RegexParser(pattern, use, grammar).parse();
}

}  // namespace bitnetc::grammar
