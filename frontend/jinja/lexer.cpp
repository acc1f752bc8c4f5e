#include "frontend/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "frontend/jinja/string_escapes.h"
#include "frontend/unicode/characters.h"

namespace bitnetc::jinja {
namespace {

bool is_digit(char32_t c) {
  return c >= '0' && c <= '9';
}

bool is_name_start(char32_t c) {
  return c == '_' || (c | 0x20) - 'a' < 26u || (c >= 0x80 && is_letter(c));
}

bool is_name_part(char32_t c) {
  return is_name_start(c) || is_digit(c) || (c >= 0x80 && (is_number(c) || is_mark(c)));
}

// The source with \r\n and \r as \n, less one final newline.
Text read_source(std::string_view source) {
  const Text raw = from_utf8(source);
  Text text;
  text.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\r') {
      text.push_back(raw[i]);
      continue;
    }
    text.push_back('\n');
    if (i + 1 < raw.size() && raw[i + 1] == '\n') ++i;
  }
  if (text.ends_with(U'\n')) text.pop_back();
  return text;
}

enum class TagKind { kBlock, kPrint, kComment };

class Lexer {
 public:
  Lexer(std::string_view source, std::vector<Token>& tokens)
      : source_(read_source(source)), tokens_(tokens) {}

  Status run() {
    while (at_ < source_.size()) BITNETC_RETURN_IF_ERROR(read_text());
    mark(TokenKind::kEnd);
    return {};
  }

  Position position() { return position_of(error_at_.value_or(at_)); }

 private:
  // Text up to the next tag, then the tag.
  Status read_text() {
    const size_t begin = find_tag();
    Text text = source_.substr(at_, begin - at_);
    const bool opens_line = line_start_;
    if (begin == source_.size()) {
      add_text(std::move(text), at_);
      at_ = begin;
      return {};
    }
    const TagKind tag = tag_at(begin);
    strip_before(tag, sign_at(begin + 2), opens_line, text);
    add_text(std::move(text), at_);
    at_ = begin;
    switch (tag) {
      case TagKind::kComment: return skip_comment();
      case TagKind::kPrint: return read_tag(TokenKind::kPrintBegin);
      case TagKind::kBlock: break;
    }
    char32_t sign = 0;
    const std::optional<size_t> end = match_word_tag(at_, U"raw", &sign);
    if (end && sign != '+') return read_raw(*end);
    return read_tag(TokenKind::kBlockBegin);
  }

  size_t find_tag() const {
    for (size_t at = source_.find(U'{', at_); at != Text::npos; at = source_.find(U'{', at + 1)) {
      const char32_t next = at + 1 < source_.size() ? source_[at + 1] : U' ';
      if (next == '%' || next == '{' || next == '#') return at;
    }
    return source_.size();
  }

  TagKind tag_at(size_t at) const {
    if (source_[at + 1] == '%') return TagKind::kBlock;
    return source_[at + 1] == '{' ? TagKind::kPrint : TagKind::kComment;
  }

  // '-' or '+' if it stands at `at`, else 0.
  char32_t sign_at(size_t at) const {
    if (at >= source_.size()) return 0;
    return source_[at] == '-' || source_[at] == '+' ? source_[at] : 0;
  }

  static void strip_before(TagKind tag, char32_t sign, bool opens_line, Text& text) {
    if (sign == '-') {
      while (!text.empty() && is_python_space(text.back())) text.pop_back();
    } else if (sign != '+' && tag != TagKind::kPrint) {
      const size_t newline = text.rfind(U'\n');
      if (newline == Text::npos && !opens_line) return;
      const size_t begin = newline == Text::npos ? 0 : newline + 1;
      if (std::all_of(text.begin() + static_cast<ptrdiff_t>(begin), text.end(), is_python_space))
        text.resize(begin);
    }
  }

  void add_text(Text text, size_t from) {
    if (text.empty()) return;
    tokens_.push_back({TokenKind::kText, position_of(from), std::move(text)});
  }

  void skip_space() {
    while (at_ < source_.size() && is_python_space(source_[at_])) ++at_;
  }

  bool looking_at(TextView spelling) const {
    return TextView(source_).substr(at_, spelling.size()) == spelling;
  }

  // Behind a tag: - takes all white space, + nothing, and without a sign a newline goes if
  // `trims`. at_ is behind the tag.
  void end_tag(char32_t sign, bool trims) {
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && trims && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
    }
    line_start_ = at_ > 0 && source_[at_ - 1] == '\n';
  }

  // `expected` opens the message; the failure is at the tag that was not ended.
  Status unfinished(std::string_view expected, size_t opened_at) {
    error_at_ = opened_at;
    return make_error(StatusCode::kDataCorrupt, "expected {} before the end of the template",
                      expected);
  }

  Status skip_comment() {
    const size_t end = source_.find(U"#}", at_ + 2);
    if (end == Text::npos) return unfinished("#}, the end of the comment,", at_);
    const char32_t sign = end > at_ + 2 ? sign_at(end - 1) : 0;
    at_ = end + 2;
    end_tag(sign, true);
    return {};
  }

  // The end of a tag {% word %} at `from`, spaces and signs allowed; nullopt if another stands
  // there. `sign` is that of its end.
  std::optional<size_t> match_word_tag(size_t from, TextView word, char32_t* sign) const {
    size_t at = from + 2;
    if (sign_at(at) != 0) ++at;
    while (at < source_.size() && is_python_space(source_[at])) ++at;
    if (TextView(source_).substr(at, word.size()) != word) return std::nullopt;
    at += word.size();
    while (at < source_.size() && is_python_space(source_[at])) ++at;
    const char32_t end_sign = sign_at(at);
    if (end_sign != 0) ++at;
    if (TextView(source_).substr(at, 2) != U"%}") return std::nullopt;
    *sign = end_sign;
    return at + 2;
  }

  // What is between {% raw %} and {% endraw %} is text. No newline goes behind the first tag.
  Status read_raw(size_t content) {
    const size_t opened_at = at_;
    if (sign_at(content - 3) == '-') {
      at_ = content;
      skip_space();
      content = at_;
    }
    line_start_ = source_[content - 1] == '\n';
    for (size_t at = source_.find(U"{%", content); at != Text::npos;
         at = source_.find(U"{%", at + 1)) {
      char32_t sign = 0;
      const std::optional<size_t> end = match_word_tag(at, U"endraw", &sign);
      if (!end) continue;
      Text text = source_.substr(content, at - content);
      strip_before(TagKind::kBlock, sign_at(at + 2), line_start_, text);
      add_text(std::move(text), content);
      at_ = *end;
      end_tag(sign, true);
      return {};
    }
    return unfinished("{% endraw %}", opened_at);
  }

  Status read_tag(TokenKind kind) {
    mark(kind);
    const bool is_block = kind == TokenKind::kBlockBegin;
    at_ += 2;
    if (sign_at(at_) != 0) ++at_;
    brackets_.clear();
    for (;;) {
      skip_space();
      if (at_ >= source_.size()) {
        mark(TokenKind::kEnd);
        return {};  // the parser says what is missing
      }
      if (brackets_.empty() && at_tag_end(is_block)) return {};
      BITNETC_RETURN_IF_ERROR(read_token());
    }
  }

  bool at_tag_end(bool is_block) {
    const TextView end = is_block ? TextView(U"%}") : TextView(U"}}");
    const char32_t sign = sign_at(at_);
    const bool has_sign = sign == '-' || (sign == '+' && is_block);
    if (TextView(source_).substr(at_ + (has_sign ? 1 : 0), 2) != end) return false;
    mark(is_block ? TokenKind::kBlockEnd : TokenKind::kPrintEnd);
    at_ += has_sign ? 3 : 2;
    end_tag(has_sign ? sign : 0, is_block);
    return true;
  }

  Status read_token() {
    const char32_t c = source_[at_];
    if (is_digit(c)) return read_number();
    if (is_name_start(c)) {
      const size_t begin = at_;
      while (at_ < source_.size() && is_name_part(source_[at_])) ++at_;
      add(TokenKind::kName, begin);
      return {};
    }
    if (c == '\'' || c == '"') return read_string(c);
    return read_operator();
  }

  Status read_string(char32_t quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size())
      return make_error(StatusCode::kDataCorrupt, "a string without its closing {}",
                        quote == '"' ? "quote \"" : "quote '");
    Token token{TokenKind::kString, position_of(at_)};
    BITNETC_ASSIGN_OR_RETURN(token.text,
                             unescape(TextView(source_).substr(at_ + 1, end - at_ - 1)));
    tokens_.push_back(std::move(token));
    at_ = end + 1;
    return {};
  }

  // Digits of `base` with single underscores between them, from `at` on; returns their end.
  size_t digits_end(size_t at, unsigned base) const {
    const auto is_one = [&](size_t i) {
      if (i >= source_.size() || source_[i] >= 0x80) return false;
      const char c = static_cast<char>(source_[i]);
      unsigned digit = 0;
      return std::from_chars(&c, &c + 1, digit, static_cast<int>(base)).ec == std::errc();
    };
    size_t end = at;
    while (is_one(end) || (end > at && source_[end - 1] != '_' && end < source_.size() &&
                           source_[end] == '_' && is_one(end + 1)))
      ++end;
    return end;
  }

  Status read_number() {
    const size_t begin = at_;
    unsigned base = 10;
    if (source_[at_] == '0' && at_ + 1 < source_.size()) {
      const char32_t letter = source_[at_ + 1] | 0x20;
      const unsigned other = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
      if (other != 0 && digits_end(at_ + 2, other) > at_ + 2) base = other;
    }
    if (base != 10) {
      at_ = digits_end(at_ + 2, base);
      return add_integer(begin, 2, base);
    }
    at_ = digits_end(at_, 10);
    bool is_real = false;
    if (looking_at(U".") && digits_end(at_ + 1, 10) > at_ + 1) {
      at_ = digits_end(at_ + 1, 10);
      is_real = true;
    }
    if (at_ < source_.size() && (source_[at_] | 0x20) == 'e') {
      const size_t digits = at_ + 1 + (sign_at(at_ + 1) != 0 ? 1 : 0);
      if (digits_end(digits, 10) > digits) {
        at_ = digits_end(digits, 10);
        is_real = true;
      }
    }
    return is_real ? add_real(begin) : add_integer(begin, 0, 10);
  }

  std::string number_text(size_t begin, size_t prefix) const {
    std::string digits = to_utf8(TextView(source_).substr(begin + prefix, at_ - begin - prefix));
    std::erase(digits, '_');
    return digits;
  }

  Status add_integer(size_t begin, size_t prefix, unsigned base) {
    const std::string digits = number_text(begin, prefix);
    Token token{TokenKind::kInteger, position_of(begin), source_.substr(begin, at_ - begin)};
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(),
                                                token.integer, static_cast<int>(base));
    if (failure != std::errc())
      return make_error(StatusCode::kUnsupported, "{}: expected an integer of at most 63 bits",
                        digits.substr(0, 40));
    tokens_.push_back(std::move(token));
    return {};
  }

  // What is beyond the range of double is infinite, as in Python.
  Status add_real(size_t begin) {
    Token token{TokenKind::kReal, position_of(begin), source_.substr(begin, at_ - begin)};
    token.real = std::strtod(number_text(begin, 0).c_str(), nullptr);
    tokens_.push_back(std::move(token));
    return {};
  }

  Status read_operator() {
    static constexpr TextView kOperators[] = {
        U"**", U"//", U"==", U"!=", U">=", U"<=", U"+", U"-", U"*", U"/", U"%", U"~", U"[",
        U"]",  U"(",  U")",  U"{",  U"}",  U">",  U"<", U"=", U".", U":", U"|", U",", U";"};
    const auto* found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                     [&](TextView spelling) { return looking_at(spelling); });
    if (found == std::end(kOperators))
      return make_error(StatusCode::kDataCorrupt, "unexpected character '{}'",
                        to_utf8(source_.substr(at_, 1)));
    const size_t begin = at_;
    at_ += found->size();
    BITNETC_RETURN_IF_ERROR(balance(source_[begin], begin));
    add(TokenKind::kOperator, begin);
    return {};
  }

  // Inside brackets, }} and %} are not the end of the tag.
  Status balance(char32_t c, size_t begin) {
    constexpr size_t kMaxBrackets = 1000;
    const auto closing_of = [](char32_t open) {
      return open == '(' ? U')' : open == '[' ? U']' : U'}';
    };
    if (c == '(' || c == '[' || c == '{') {
      brackets_.push_back(closing_of(c));
      if (brackets_.size() <= kMaxBrackets) return {};
      error_at_ = begin;
      return make_error(StatusCode::kUnsupported, "brackets nested deeper than {}", kMaxBrackets);
    }
    if (c != ')' && c != ']' && c != '}') return {};
    error_at_ = begin;
    if (brackets_.empty())
      return make_error(StatusCode::kDataCorrupt, "unexpected '{}'", static_cast<char>(c));
    if (brackets_.back() != c)
      return make_error(StatusCode::kDataCorrupt, "unexpected '{}', expected '{}'",
                        static_cast<char>(c), static_cast<char>(brackets_.back()));
    error_at_.reset();
    brackets_.pop_back();
    return {};
  }

  void add(TokenKind kind, size_t begin) {
    tokens_.push_back({kind, position_of(begin), source_.substr(begin, at_ - begin)});
  }

  void mark(TokenKind kind) { tokens_.push_back({kind, position_of(at_)}); }

  // Counts on from the last place asked for; places behind it are rare.
  Position position_of(size_t at) {
    if (at < counted_) {
      counted_ = 0;
      counted_position_ = {};
    }
    for (; counted_ < at; ++counted_) {
      if (source_[counted_] == '\n') {
        ++counted_position_.line;
        counted_position_.column = 1;
      } else {
        ++counted_position_.column;
      }
    }
    return counted_position_;
  }

  const Text source_;
  std::vector<Token>& tokens_;
  size_t at_ = 0;
  bool line_start_ = true;          // what was read last ended a line
  std::vector<char32_t> brackets_;  // closing ones that are due
  std::optional<size_t> error_at_;  // if not at_
  size_t counted_ = 0;
  Position counted_position_;
};

}  // namespace

bool Token::is_operator(std::string_view spelling) const {
  return kind == TokenKind::kOperator && to_utf8(text) == spelling;
}

bool Token::is_name(std::string_view spelling) const {
  return kind == TokenKind::kName && to_utf8(text) == spelling;
}

std::string Token::describe() const {
  switch (kind) {
    case TokenKind::kText: return "text";
    case TokenKind::kPrintBegin: return "{{";
    case TokenKind::kPrintEnd: return "}}, the end of the expression";
    case TokenKind::kBlockBegin: return "{%";
    case TokenKind::kBlockEnd: return "%}, the end of the tag";
    case TokenKind::kString: return "a string";
    case TokenKind::kEnd: return "the end of the template";
    case TokenKind::kName:
    case TokenKind::kInteger:
    case TokenKind::kReal:
    case TokenKind::kOperator: break;
  }
  return "'" + to_utf8(text) + "'";
}

bool tokenize(std::string_view source, std::vector<Token>& tokens, LocatedError& error) {
  Lexer lexer(source, tokens);
  Status status = lexer.run();
  if (status.ok()) return true;
  error = {lexer.position(), std::move(status)};
  return false;
}

}  // namespace bitnetc::jinja
