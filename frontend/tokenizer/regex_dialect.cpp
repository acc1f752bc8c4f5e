#include "frontend/tokenizer/regex_dialect.h"

#include <utility>
#include <vector>

namespace bitnetc {
namespace {

// White_Space and its complement, as the inside of a class.
constexpr std::string_view kSpaces =
    R"(\x09-\x0d\x20\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNonSpaces =
    R"(\x00-\x08\x0e-\x1f\x21-\x84\x86-\x9f\xa1-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_ascii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool folds_to_one_character(char first, char second) {
  const char pair[] = {lower(first), lower(second)};
  const std::string_view text(pair, 2);
  return text == "ss" || text == "ff" || text == "fi" || text == "fl" || text == "st";
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> run() {
    while (at_ < pattern_.size()) BITNETC_RETURN_IF_ERROR(element());
    if (!caseless_.empty()) return refuse(pattern_.size(), "a missing )");
    return std::move(out_);
  }

 private:
  enum class Atom { kOne, kSet };  // an escape for one character, or for a set of them

  static Status refuse(size_t offset, std::string_view what) {
    return make_error(StatusCode::kUnsupported, "{} at offset {} of the regex", what, offset);
  }

  char peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  bool skip(std::string_view text) {
    if (!pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  void copy(size_t begin) { out_.append(pattern_.substr(begin, at_ - begin)); }
  bool is_caseless() const { return !caseless_.empty() && caseless_.back(); }

  Status element() {
    const char c = peek();
    const char before = std::exchange(last_literal_, '\0');
    switch (c) {
      case '(': return open_group();
      case ')': return close_group();
      case '[': return with_quantifier(&Translator::character_class);
      case '\\': return with_quantifier(&Translator::escape_outside_class);
      case '|':
      case '.':
        out_.push_back(c);
        ++at_;
        return c == '.' ? quantifier() : Status();
      case '^':
      case '$': return refuse(at_, fmt::format("the anchor {}", c));
      case '*':
      case '+':
      case '?':
      case '{': return refuse(at_, fmt::format("{} without anything simple to repeat", c));
      default: return literal(before);
    }
  }

  Status with_quantifier(Status (Translator::*atom)()) {
    BITNETC_RETURN_IF_ERROR((this->*atom)());
    return quantifier();
  }

  Status literal(char before) {
    const char c = peek();
    if (is_caseless()) {
      BITNETC_RETURN_IF_ERROR(check_caseless(c));
      if (folds_to_one_character(before, c)) {
        return refuse(at_, fmt::format("{}{} inside (?i:", before, c));
      }
    }
    last_literal_ = c;
    out_.push_back(c);
    ++at_;
    if (!is_ascii(c)) {
      while (!is_ascii(peek()) && (peek() & 0x40) == 0) out_.push_back(pattern_[at_++]);
    }
    return quantifier();
  }

  Status check_caseless(char c) const {
    return is_ascii(c) ? Status() : refuse(at_, "a non-ASCII character inside (?i:");
  }

  Status open_group() {
    static constexpr std::string_view kOpeners[] = {"(?:",  "(?i:", "(?=", "(?!",
                                                    "(?<=", "(?<!", "(?>"};
    for (const std::string_view opener : kOpeners) {
      if (!skip(opener)) continue;
      out_.append(opener);
      caseless_.push_back(opener == "(?i:" || is_caseless());
      return {};
    }
    if (peek(1) == '?' || peek(1) == '*') return refuse(at_, "an unusual group");
    out_.push_back('(');
    caseless_.push_back(is_caseless());
    ++at_;
    return {};
  }

  Status close_group() {
    if (caseless_.empty()) return refuse(at_, "an unmatched )");
    caseless_.pop_back();
    out_.push_back(')');
    ++at_;
    return quantifier();
  }

  // *, + and ? take a lazy ? or a possessive + in both dialects; {..} only has common forms without
  // one, and {n,m} with a lazy ?. A second quantifier behind the first is refused by element().
  Status quantifier() {
    const size_t begin = at_;
    if (peek() == '*' || peek() == '+' || peek() == '?') {
      ++at_;
      if (peek() == '?' || peek() == '+') ++at_;
    } else if (peek() == '{') {
      ++at_;
      const bool has_minimum = skip_digits();
      const bool is_range = skip(",");
      if (is_range) skip_digits();
      if (!has_minimum || !skip("}")) return refuse(begin, "an unusual {");
      if (peek() == '+' || (peek() == '?' && !is_range)) {
        return refuse(begin, fmt::format("{} behind {{..}}", peek()));
      }
      if (peek() == '?') ++at_;
    }
    if (at_ != begin) last_literal_ = '\0';
    copy(begin);
    return {};
  }

  bool skip_digits() {
    const size_t begin = at_;
    while (is_digit(peek())) ++at_;
    return at_ != begin;
  }

  Status escape_outside_class() {
    const bool is_space = peek(1) == 's';
    if (is_space || peek(1) == 'S') {
      out_.append(fmt::format("[{}{}]", is_space ? "" : "^", kSpaces));
      at_ += 2;
      return {};
    }
    return escape().status();
  }

  // An escape whose translation is the same inside and outside a class.
  Result<Atom> escape() {
    const size_t begin = at_++;
    const char c = peek();
    ++at_;
    if (c == 'p' || c == 'P') {
      BITNETC_RETURN_IF_ERROR(property(begin));
      return Atom::kSet;
    }
    if (c == 'd' || c == 'D') {
      copy(begin);
      return Atom::kSet;
    }
    if (c == 'x' || c == 'u') {
      BITNETC_RETURN_IF_ERROR(code_point(begin, c));
      return Atom::kOne;
    }
    const bool is_control = c == 'r' || c == 'n' || c == 't' || c == 'f';
    const bool is_punctuation = is_ascii(c) && c >= ' ' && !is_letter(c) && !is_digit(c);
    if (!is_control && !is_punctuation) {
      return refuse(begin, fmt::format("the escape \\{}", c));
    }
    copy(begin);
    return Atom::kOne;
  }

  // A bare script name means the Script property to Oniguruma and Script_Extensions to PCRE2.
  Status property(size_t begin) {
    if (is_caseless()) return refuse(begin, "a property inside (?i:");
    const char kind = pattern_[begin + 1];
    if (!skip("{")) return refuse(begin, "a property without {}");
    const bool is_negated = skip("^");
    const size_t name_begin = at_;
    while (is_letter(peek()) || peek() == '_') ++at_;
    const std::string_view name = pattern_.substr(name_begin, at_ - name_begin);
    if (!skip("}")) return refuse(begin, "an unusual property name");
    const bool is_script = name.size() > 2 && name != "Alphabetic" && name != "White_Space";
    out_.append(
        fmt::format("\\{}{{{}{}{}}}", kind, is_negated ? "^" : "", is_script ? "sc:" : "", name));
    return {};
  }

  Status code_point(size_t begin, char kind) {
    const bool is_braced = kind == 'x' && skip("{");
    const size_t digits_begin = at_;
    while (is_hex(peek()) && (is_braced || at_ - digits_begin < (kind == 'x' ? 2u : 4u))) ++at_;
    const std::string_view digits = pattern_.substr(digits_begin, at_ - digits_begin);
    const bool has_all = is_braced ? !digits.empty() : digits.size() == (kind == 'x' ? 2 : 4);
    if (!has_all || (is_braced && !skip("}"))) return refuse(begin, "an unusual code point");
    const bool is_high = digits.size() > 2 || (digits.size() == 2 && digits[0] >= '8');
    // Oniguruma reads \xHH from 80 up as a byte of the encoding, not as a character.
    if (kind == 'x' && !is_braced && is_high) return refuse(begin, "a raw byte");
    if (is_caseless() && is_high) return refuse(begin, "a non-ASCII character inside (?i:");
    out_.append(fmt::format("\\x{{{}}}", digits));
    return {};
  }

  Status character_class() {
    const size_t begin = at_++;
    out_.push_back('[');
    if (skip("^")) out_.push_back('^');
    if (peek() == ']') return refuse(begin, "an empty class");
    while (!skip("]")) {
      if (at_ >= pattern_.size()) return refuse(begin, "an unclosed class");
      BITNETC_ASSIGN_OR_RETURN(const Atom atom, class_item());
      if (!at_range_dash()) continue;
      if (atom == Atom::kSet) return refuse(at_, "an unusual range");
      out_.push_back(pattern_[at_++]);
      BITNETC_ASSIGN_OR_RETURN(const Atom end, class_item());
      if (end == Atom::kSet || at_range_dash()) return refuse(at_, "an unusual range");
    }
    out_.push_back(']');
    return {};
  }

  bool at_range_dash() const { return peek() == '-' && peek(1) != ']'; }

  Result<Atom> class_item() {
    const char c = peek();
    if (c == '[') return refuse(at_, "a nested class");
    if (c == '&' && peek(1) == '&') return refuse(at_, "an intersection of classes");
    if (c == '\\' && (peek(1) == 's' || peek(1) == 'S')) {
      out_.append(peek(1) == 's' ? kSpaces : kNonSpaces);
      at_ += 2;
      return Atom::kSet;
    }
    if (c == '\\') return escape();
    if (is_caseless()) BITNETC_RETURN_IF_ERROR(check_caseless(c));
    const size_t begin = at_++;
    if (!is_ascii(c)) {
      while (at_ < pattern_.size() && !is_ascii(peek()) && (peek() & 0x40) == 0) ++at_;
    }
    copy(begin);
    return Atom::kOne;
  }

  std::string_view pattern_;
  size_t at_ = 0;
  std::string out_;
  std::vector<bool> caseless_;  // one per open group
  char last_literal_ = '\0';  // the unquantified ASCII character just before, for the folding pairs
};

}  // namespace

Result<std::string> pcre2_pattern(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace bitnetc
