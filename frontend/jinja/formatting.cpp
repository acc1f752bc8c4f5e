#include "frontend/jinja/formatting.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "frontend/jinja/operations.h"
#include "frontend/jinja/string_functions.h"

namespace bitnetc::jinja {
namespace {

// How one value is to be printed.
struct Spec {
  char32_t fill = U' ';
  char32_t align = 0;  // < > ^ =, or 0: as the type has it
  char sign = '-';     // '-', '+' or ' '
  bool alternate = false;
  bool grouped = false;  // with commas between thousands
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

constexpr int64_t kMaxPrecision = 1000;

int64_t read_count(TextView format, size_t& at) {
  int64_t count = 0;
  for (; at < format.size() && code_point(format[at]) >= '0' && code_point(format[at]) <= '9'; ++at)
    count = std::min<int64_t>(count * 10 + (code_point(format[at]) - '0'), INT32_MAX);
  return count;
}

Status bad_type(const Spec& spec, const Value& value) {
  if (const Undefined* undefined = value.get<Undefined>()) return undefined_error(*undefined);
  return make_error(StatusCode::kDataCorrupt, "the format '{}' of a value of type '{}'", spec.type,
                    value.type_name());
}

std::string group_thousands(const std::string& digits) {
  const size_t whole = std::min(digits.find('.'), digits.size());
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i < whole && (whole - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string integer_digits(uint64_t magnitude, char type) {
  switch (type) {
    case 'x': return fmt::format("{:x}", magnitude);
    case 'X': return fmt::format("{:X}", magnitude);
    case 'o': return fmt::format("{:o}", magnitude);
    case 'b': return fmt::format("{:b}", magnitude);
    default: return std::to_string(magnitude);
  }
}

std::string real_digits(double magnitude, const Spec& spec) {
  if (std::isinf(magnitude)) return "inf";
  if (std::isnan(magnitude)) return "nan";
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
  switch (spec.type) {
    case 'e': return fmt::format("{:.{}e}", magnitude, precision);
    case 'E': return fmt::format("{:.{}E}", magnitude, precision);
    case 'g': return fmt::format("{:.{}g}", magnitude, precision);
    case 'G': return fmt::format("{:.{}G}", magnitude, precision);
    case '%': return fmt::format("{:.{}f}%", magnitude * 100, precision);
    case 0:
      return spec.precision < 0 ? print_real(magnitude)
                                : fmt::format("{:.{}g}", magnitude, precision);
    default: return fmt::format("{:.{}f}", magnitude, precision);
  }
}

Text pad_to(const Spec& spec, std::string_view sign, const Text& body, char32_t default_align) {
  Text text = from_utf8(sign) + body;
  const char32_t align = spec.align != 0 ? spec.align : default_align;
  if (align == '=') {
    const int64_t width = spec.width - static_cast<int64_t>(sign.size());
    return from_utf8(sign) + pad(body, width, spec.fill, Side::kLeft);
  }
  const Side filled = align == '<' ? Side::kRight : align == '>' ? Side::kLeft : Side::kBoth;
  if (filled != Side::kBoth) return pad(text, spec.width, spec.fill, filled);
  const int64_t missing = std::max<int64_t>(0, spec.width - static_cast<int64_t>(text.size()));
  return Text(static_cast<size_t>(missing / 2), spec.fill) + text +
         Text(static_cast<size_t>(missing - missing / 2), spec.fill);
}

Result<Text> format_number(const Spec& spec, const Value& value) {
  const auto integer = value.as_integer();
  const bool is_integer_type =
      std::string_view("dixXob").find(spec.type) != std::string_view::npos && spec.type != 0;
  const bool as_integer = is_integer_type || (spec.type == 0 && integer);
  if (!value.as_number()) return bad_type(spec, value);
  bool is_negative = false;
  std::string digits;
  if (as_integer) {
    const double real = *value.as_number();
    if (!integer && !(std::abs(real) < 9e18)) return bad_type(spec, value);
    const int64_t whole = integer ? *integer : static_cast<int64_t>(real);
    is_negative = whole < 0;
    const auto bits = static_cast<uint64_t>(whole);
    digits = integer_digits(is_negative ? ~bits + 1 : bits, spec.type);
    if (spec.precision > static_cast<int64_t>(digits.size()))
      digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
    if (spec.alternate && spec.type != 'd' && spec.type != 0)
      digits.insert(0, std::string("0") + spec.type);
  } else {
    is_negative = std::signbit(*value.as_number());
    digits = real_digits(std::abs(*value.as_number()), spec);
  }
  if (spec.grouped) digits = group_thousands(digits);
  const std::string sign = is_negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  return pad_to(spec, sign, from_utf8(digits), '>');
}

Text format_text(const Spec& spec, Text text) {
  if (spec.precision >= 0 && static_cast<int64_t>(text.size()) > spec.precision)
    text.resize(static_cast<size_t>(spec.precision));
  return pad_to(spec, "", text, '<');
}

Status check_spec(Context& context, const Spec& spec) {
  BITNETC_RETURN_IF_ERROR(context.check_size(spec.width));
  if (spec.precision <= kMaxPrecision) return {};
  return make_error(StatusCode::kUnsupported, "a format of precision {}: at most {} is supported",
                    spec.precision, kMaxPrecision);
}

// --- %

// What Python takes for a mapping here, of which a format need not use all: what [] works on.
bool is_subscripted(const Value& value) {
  return value.table() != nullptr || value.get<List>() != nullptr ||
         value.get<Range>() != nullptr || value.is_undefined();
}

class PercentFormatter {
 public:
  PercentFormatter(Context& context, TextView format, const Value& values)
      : context_(context), format_(format), values_(values) {
    if (const Tuple* tuple = values.get<Tuple>())
      positional_ = tuple->sequence->items;
    else
      positional_ = {values};
  }

  Result<Value> run() {
    while (at_ < format_.size()) {
      if (code_point(format_[at_]) != '%') {
        out_.push_back(format_[at_++]);
      } else {
        ++at_;
        BITNETC_RETURN_IF_ERROR(conversion());
      }
      BITNETC_RETURN_IF_ERROR(context_.check_size(static_cast<int64_t>(out_.size())));
    }
    const bool needs_all = !is_subscripted(values_) && !took_named_;
    if (needs_all && next_ < positional_.size())
      return Status(StatusCode::kDataCorrupt, "a format with more values than conversions");
    return context_.string(std::move(out_));
  }

 private:
  Result<Value> next_value() {
    if (next_ >= positional_.size())
      return Status(StatusCode::kDataCorrupt, "a format with more conversions than values");
    return positional_[next_++];
  }

  Result<Value> named_value() {
    const size_t end = find(format_, U")", at_);
    const DictTable* table = values_.table();
    if (end == TextView::npos || table == nullptr)
      return Status(StatusCode::kDataCorrupt, "a format with %(name): expected a dict of values");
    const Value* found = table->find(format_.substr(at_ + 1, end - at_ - 1));
    if (found == nullptr)
      return Status(StatusCode::kDataCorrupt, "a format with an unknown %(name)");
    at_ = end + 1;
    took_named_ = true;
    return *found;
  }

  Result<int64_t> count() {
    if (at_ < format_.size() && code_point(format_[at_]) == '*') {
      ++at_;
      BITNETC_ASSIGN_OR_RETURN(const Value value, next_value());
      if (const auto integer = value.as_integer()) return std::min<int64_t>(*integer, INT32_MAX);
      return Status(StatusCode::kDataCorrupt, "a format with *: expected an integer");
    }
    return read_count(format_, at_);
  }

  char32_t current() const { return at_ < format_.size() ? code_point(format_[at_]) : 0; }

  Status conversion() {
    std::optional<Value> value;
    if (current() == '(') {
      BITNETC_ASSIGN_OR_RETURN(value, named_value());
    }
    Spec spec;
    bool zero = false;
    for (; TextView(U"-+ #0").find(current()) != TextView::npos && current() != 0; ++at_) {
      if (current() == '-') spec.align = '<';
      if (current() == '+') spec.sign = '+';
      if (current() == ' ' && spec.sign != '+') spec.sign = ' ';
      if (current() == '#') spec.alternate = true;
      if (current() == '0') zero = true;
    }
    BITNETC_ASSIGN_OR_RETURN(spec.width, count());
    if (current() == '.') {
      ++at_;
      BITNETC_ASSIGN_OR_RETURN(spec.precision, count());
    }
    BITNETC_RETURN_IF_ERROR(check_spec(context_, spec));
    const char32_t type = current();
    if (type == 0) return Status(StatusCode::kDataCorrupt, "a format that ends in a conversion");
    ++at_;
    if (type == '%') {
      out_.push_back('%');
      return {};
    }
    if (!value) {
      BITNETC_ASSIGN_OR_RETURN(value, next_value());
    }
    return emit(spec, type, zero, *value);
  }

  Status emit(Spec spec, char32_t type, bool zero, const Value& value) {
    if (spec.align == 0) spec.align = '>';
    if (type == 's' || type == 'r' || type == 'a') {
      BITNETC_RETURN_IF_ERROR(context_.charge_walk(value.weight()));
      out_ += format_text(spec, type == 's' ? to_text(value) : to_repr(value));
      return {};
    }
    if (type == 'c') {
      const auto integer = value.as_integer();
      const bool fits = integer && *integer >= 0 && *integer < 0xD800;
      if (!fits && (value.text() == nullptr || value.text()->size() != 1))
        return Status(StatusCode::kDataCorrupt, "the format %c: expected one character");
      out_ += format_text(spec, fits ? Text(1, static_cast<char32_t>(*integer)) : *value.text());
      return {};
    }
    if (type >= 0x80 || TextView(U"diuxXoeEfFgG").find(type) == TextView::npos)
      return make_error(StatusCode::kDataCorrupt, "the format character '{}' is not known",
                        to_utf8(TextView(&type, 1)));
    spec.type = type == 'u' ? 'd' : static_cast<char>(type);
    if (zero && spec.align == '>') {
      spec.fill = '0';
      spec.align = '=';
    }
    BITNETC_ASSIGN_OR_RETURN(const Text text, format_number(spec, value));
    out_ += text;
    return {};
  }

  Context& context_;
  TextView format_;
  const Value& values_;
  std::vector<Value> positional_;
  size_t next_ = 0;
  size_t at_ = 0;
  bool took_named_ = false;
  Text out_;
};

// --- {}

Result<Spec> read_spec(TextView text) {
  const auto is_align = [](char32_t c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  Spec spec;
  size_t at = 0;
  const auto current = [&] { return at < text.size() ? code_point(text[at]) : 0; };
  if (text.size() > 1 && is_align(code_point(text[1]))) {
    spec.fill = text[0];
    spec.align = code_point(text[1]);
    at = 2;
  } else if (is_align(current())) {
    spec.align = current();
    ++at;
  }
  if (current() == '+' || current() == '-' || current() == ' ')
    spec.sign = static_cast<char>(text[at++]);
  if (current() == '#') {
    spec.alternate = true;
    ++at;
  }
  if (current() == '0') {
    ++at;
    if (spec.align == 0) {
      spec.fill = '0';
      spec.align = '=';
    }
  }
  spec.width = read_count(text, at);
  if (current() == ',') {
    spec.grouped = true;
    ++at;
  }
  if (current() == '.') {
    ++at;
    spec.precision = read_count(text, at);
  }
  if (at < text.size() && current() < 0x80) spec.type = static_cast<char>(text[at++] & 0x7F);
  if (at < text.size())
    return make_error(StatusCode::kDataCorrupt, "the format '{}' is not understood", to_utf8(text));
  return spec;
}

class BraceFormatter {
 public:
  BraceFormatter(Context& context, TextView format, const Arguments& arguments)
      : context_(context), format_(format), arguments_(arguments) {}

  Result<Value> run() {
    for (size_t at = 0; at < format_.size();) {
      const char32_t c = code_point(format_[at]);
      const bool is_double = at + 1 < format_.size() && code_point(format_[at + 1]) == c;
      if ((c == '{' || c == '}') && is_double) {
        out_.push_back(format_[at]);
        at += 2;
      } else if (c == '{') {
        const size_t end = find(format_, U"}", at);
        if (end == TextView::npos) return unbalanced("{");
        BITNETC_RETURN_IF_ERROR(field(format_.substr(at + 1, end - at - 1)));
        at = end + 1;
      } else if (c == '}') {
        return unbalanced("}");
      } else {
        out_.push_back(format_[at++]);
      }
      BITNETC_RETURN_IF_ERROR(context_.check_size(static_cast<int64_t>(out_.size())));
    }
    return context_.string(std::move(out_));
  }

 private:
  static Status unbalanced(std::string_view brace) {
    return make_error(StatusCode::kDataCorrupt, "a format with a single '{}'", brace);
  }

  // name!conversion:spec
  Status field(TextView field) {
    const size_t colon = std::min(find(field, U":"), field.size());
    const size_t mark = std::min(find(field.substr(0, colon), U"!"), colon);
    BITNETC_ASSIGN_OR_RETURN(Value value, lookup(field.substr(0, mark)));
    BITNETC_RETURN_IF_ERROR(context_.charge_walk(value.weight()));
    const TextView conversion = field.substr(mark, colon - mark);
    if (equal(conversion, U"!r")) value = Value::string(to_repr(value));
    if (equal(conversion, U"!s")) value = Value::string(to_text(value));
    BITNETC_ASSIGN_OR_RETURN(const Spec spec,
                             read_spec(field.substr(std::min(colon + 1, field.size()))));
    BITNETC_RETURN_IF_ERROR(check_spec(context_, spec));
    if (value.as_number() && value.get<bool>() == nullptr) {
      BITNETC_ASSIGN_OR_RETURN(const Text number, format_number(spec, value));
      out_ += number;
      return {};
    }
    if (spec.type != 0 && spec.type != 's') return bad_type(spec, value);
    out_ += format_text(spec, to_text(value));
    return {};
  }

  // 0, name, name.attribute, name[key]
  Result<Value> lookup(TextView name) {
    size_t end = 0;
    while (end < name.size() && code_point(name[end]) != '.' && code_point(name[end]) != '[') ++end;
    BITNETC_ASSIGN_OR_RETURN(Value value, argument(name.substr(0, end)));
    while (end < name.size()) {
      const bool is_item = code_point(name[end]) == '[';
      const size_t begin = ++end;
      const auto stops = [&](char32_t c) { return is_item ? c == ']' : c == '.' || c == '['; };
      while (end < name.size() && !stops(code_point(name[end]))) ++end;
      const Text part(name.substr(begin, end - begin));
      if (is_item) end = std::min(end + 1, name.size());
      BITNETC_ASSIGN_OR_RETURN(value, is_item ? item_at_path(context_, value, Value::string(part))
                                              : attribute(context_, value, to_utf8(part)));
    }
    return value;
  }

  Result<Value> argument(TextView name) {
    size_t at = 0;
    const int64_t number = read_count(name, at);
    if (name.empty() || at == name.size()) {
      const auto index = name.empty() ? next_++ : static_cast<size_t>(number);
      if (index < arguments_.positional.size()) return arguments_.positional[index];
      return make_error(StatusCode::kDataCorrupt, "a format names value {}, there are {}", index,
                        arguments_.positional.size());
    }
    for (const auto& [key, value] : arguments_.named)
      if (equal(from_utf8(key), name)) return value;
    return make_error(StatusCode::kDataCorrupt, "a format names '{}', which is not given",
                      to_utf8(name));
  }

  Context& context_;
  TextView format_;
  const Arguments& arguments_;
  size_t next_ = 0;
  Text out_;
};

}  // namespace

Result<Value> format_percent(Context& context, TextView format, const Value& values) {
  return PercentFormatter(context, format, values).run();
}

Result<Value> format_braces(Context& context, TextView format, const Arguments& arguments) {
  return BraceFormatter(context, format, arguments).run();
}

Result<Value> replace_text(Context& context, TextView text, TextView old_text, TextView new_text,
                           int64_t count) {
  const size_t most = count < 0 ? SIZE_MAX : static_cast<size_t>(count);
  BITNETC_RETURN_IF_ERROR(context.charge_walk(static_cast<int64_t>(text.size())));
  const auto places = static_cast<int64_t>(find_all(text, old_text, most).size());
  int64_t growth = 0;
  if (__builtin_mul_overflow(places, static_cast<int64_t>(new_text.size()), &growth))
    growth = INT64_MAX / 2;
  BITNETC_RETURN_IF_ERROR(context.check_size(growth + static_cast<int64_t>(text.size()) -
                                             places * static_cast<int64_t>(old_text.size())));
  return context.string(replace(text, old_text, new_text, most));
}

}  // namespace bitnetc::jinja
