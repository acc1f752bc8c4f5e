// Filters that give a text, a number or a JSON document.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "frontend/jinja/filters.h"
#include "frontend/jinja/formatting.h"
#include "frontend/jinja/json_text.h"
#include "frontend/jinja/operations.h"
#include "frontend/jinja/string_functions.h"
#include "frontend/unicode/characters.h"

namespace bitnetc::jinja {
namespace {

// The value as a text: that of str().
Result<Text> soft_text(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(call.value.weight()));
  return to_text(call.value);
}

template <Text (*Function)(TextView), bool is_markup = false>
Result<Value> map_text(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  BITNETC_ASSIGN_OR_RETURN(const Text text, soft_text(call));
  return call.context.string(Function(text), is_markup);
}

Result<Value> trim_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"chars"}));
  BITNETC_ASSIGN_OR_RETURN(const Text text, soft_text(call));
  std::optional<Text> characters;
  if (bound.get(0) != nullptr && !bound.get(0)->is_none()) {
    BITNETC_ASSIGN_OR_RETURN(characters, bound.text(0, U""));
    const auto cost = static_cast<int64_t>(characters->size() * text.size());
    BITNETC_RETURN_IF_ERROR(call.context.charge_walk(cost));
  }
  return call.context.string(Text(strip(text, Side::kBoth, characters)));
}

Result<Value> string_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  if (call.value.text() != nullptr) return call.value;
  BITNETC_ASSIGN_OR_RETURN(Text text, soft_text(call));
  return call.context.string(std::move(text));
}

Result<Value> safe_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  BITNETC_ASSIGN_OR_RETURN(Text text, soft_text(call));
  return call.context.string(std::move(text), /*is_markup=*/true);
}

Result<Value> escape_filter(const FilterCall& call) {
  const String* string = call.value.get<String>();
  if (string != nullptr && string->is_markup) return call.value;
  return map_text<escape_html, true>(call);
}

Result<Value> replace_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"old", "new", "count"}, 2));
  BITNETC_ASSIGN_OR_RETURN(const Text text, soft_text(call));
  BITNETC_ASSIGN_OR_RETURN(const int64_t count, bound.integer(2, -1));
  return replace_text(call.context, text, to_text(*bound.get(0)), to_text(*bound.get(1)), count);
}

Status not_a_text(const FilterCall& call) {
  return make_error(StatusCode::kDataCorrupt, "{}: a value of type '{}', expected a text",
                    call.name, call.value.type_name());
}

Result<Value> indent_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"width", "first", "blank"}));
  if (call.value.text() == nullptr) return not_a_text(call);
  const Text& text = *call.value.text();
  Text indention(4, U' ');
  if (const Value* width = bound.get(0); width != nullptr && width->text() != nullptr) {
    indention = *width->text();
  } else {
    BITNETC_ASSIGN_OR_RETURN(const int64_t blanks, bound.integer(0, 4));
    BITNETC_RETURN_IF_ERROR(call.context.check_size(blanks));
    indention.assign(static_cast<size_t>(std::max<int64_t>(0, blanks)), U' ');
  }
  const auto lines = static_cast<int64_t>(split_lines(text, false).size()) + 1;
  const auto width = static_cast<int64_t>(indention.size());
  BITNETC_RETURN_IF_ERROR(call.context.check_size(lines * width));
  return call.context.string(indent(text, indention, bound.flag(1), bound.flag(2)));
}

Result<Value> center_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"width"}));
  BITNETC_ASSIGN_OR_RETURN(const Text text, soft_text(call));
  BITNETC_ASSIGN_OR_RETURN(const int64_t width, bound.integer(0, 80));
  BITNETC_RETURN_IF_ERROR(call.context.check_size(width));
  return call.context.string(pad(text, width, U' ', Side::kBoth));
}

Result<Value> truncate_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           call.bind({"length", "killwords", "end", "leeway"}));
  BITNETC_ASSIGN_OR_RETURN(const int64_t size, length(call.value));
  BITNETC_ASSIGN_OR_RETURN(const int64_t most, bound.integer(0, 255));
  BITNETC_ASSIGN_OR_RETURN(const Text end, bound.text(2, U"..."));
  BITNETC_ASSIGN_OR_RETURN(const int64_t leeway, bound.integer(3, 5));
  const auto end_size = static_cast<int64_t>(end.size());
  if (most < end_size || leeway < 0)
    return make_error(StatusCode::kDataCorrupt,
                      "truncate: length {} and leeway {}: expected at least {} and 0", most, leeway,
                      end_size);
  if (size - leeway <= most) return call.value;
  if (call.value.text() == nullptr) return not_a_text(call);
  TextView kept = TextView(*call.value.text()).substr(0, static_cast<size_t>(most - end_size));
  if (!bound.flag(1))
    if (const size_t space = kept.find_last_of(Text{U' ', U' ' | kMarked}); space != kept.npos)
      kept = kept.substr(0, space);
  return call.context.string(Text(kept) + end);
}

// Of a text or a number; of pairs jinja2 makes a query.
Result<Value> urlencode_filter(const FilterCall& call) {
  const bool is_text = call.value.text() != nullptr || call.value.is_undefined();
  if (!is_text && length(call.value).ok())
    return make_error(StatusCode::kUnsupported, "urlencode: a value of type '{}', expected a text",
                      call.value.type_name());
  return map_text<url_quote>(call);
}

Result<Value> word_count_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  BITNETC_ASSIGN_OR_RETURN(const Text text, soft_text(call));
  return Value::integer(count_words(text));
}

Result<Value> format_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const Text text, soft_text(call));
  if (call.arguments.named.empty())
    return format_percent(call.context, text, Value::tuple(call.arguments.positional));
  std::vector<std::pair<Value, Value>> values;
  for (const auto& [name, value] : call.arguments.named)
    values.emplace_back(Value::string(name), value);
  return format_percent(call.context, text, Value::dict(std::move(values)));
}

Result<Value> default_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"default_value", "boolean"}));
  const bool replaces = call.value.is_undefined() || (bound.flag(1) && !call.value.is_true());
  if (!replaces) return call.value;
  return bound.get(0) == nullptr ? Value::string(Text()) : *bound.get(0);
}

// --- numbers

// The text less its white space, with digits of other scripts as ASCII ones and single underscores
// between digits gone; nullopt: an underscore elsewhere.
std::optional<std::string> plain_number(TextView text) {
  text = strip(text, Side::kBoth, std::nullopt);
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = code_point(text[i]);
    if (const int digit = decimal_value(c); digit >= 0) {
      plain += static_cast<char>('0' + digit);
    } else if (c == '_') {
      const bool is_between = i > 0 && i + 1 < text.size() && code_point(text[i - 1]) != '_' &&
                              code_point(text[i + 1]) != '_';
      if (!is_between) return std::nullopt;
    } else if (c < 0x80) {
      plain += static_cast<char>(c);
    } else {
      return std::nullopt;
    }
  }
  return plain;
}

std::optional<int64_t> parse_integer(TextView text, int64_t base) {
  std::optional<std::string> plain = plain_number(text);
  if (!plain || plain->empty()) return std::nullopt;
  std::string_view digits = *plain;
  const bool is_negative = digits.front() == '-';
  if (is_negative || digits.front() == '+') digits.remove_prefix(1);
  const auto prefix = [&](std::string_view lower_case, int64_t of_base) {
    const bool has = digits.size() > 2 && digits[0] == '0' && (digits[1] | 0x20) == lower_case[1] &&
                     (base == of_base || base == 0);
    if (!has) return;
    digits.remove_prefix(2);
    base = of_base;
  };
  prefix("0x", 16);
  prefix("0o", 8);
  prefix("0b", 2);
  if (base == 0) base = 10;
  if (digits.empty() || digits.front() == '-') return std::nullopt;
  int64_t value = 0;
  const auto [end, failure] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  if (failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return is_negative ? -value : value;
}

std::optional<double> parse_real(TextView text) {
  std::optional<std::string> plain = plain_number(text);
  if (!plain || plain->empty()) return std::nullopt;
  const bool has_hex = plain->find_first_of("xXpP(") != std::string::npos;
  char* end = nullptr;
  const double value = std::strtod(plain->c_str(), &end);
  if (has_hex || end != plain->c_str() + plain->size()) return std::nullopt;
  return value;
}

Result<Value> truncated(double value) {
  if (!(std::abs(value) < 9.2e18))
    return make_error(StatusCode::kUnsupported, "int: {} has no integer of 64 bits", value);
  return Value::integer(static_cast<int64_t>(value));
}

Result<Value> int_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"default", "base"}));
  BITNETC_ASSIGN_OR_RETURN(const int64_t base, bound.integer(1, 10));
  if (base != 0 && (base < 2 || base > 36))
    return make_error(StatusCode::kDataCorrupt, "int: base {}: expected 0, or 2 to 36", base);
  if (const Undefined* undefined = call.value.get<Undefined>()) return undefined_error(*undefined);
  if (const auto integer = call.value.as_integer()) return Value::integer(*integer);
  if (const Text* text = call.value.text()) {
    if (const auto integer = parse_integer(*text, base)) return Value::integer(*integer);
    if (const auto real = parse_real(*text); real && std::isfinite(*real)) return truncated(*real);
  } else if (const auto real = call.value.as_number(); real && !std::isnan(*real)) {
    return truncated(*real);
  }
  return bound.get(0) == nullptr ? Value::integer(0) : *bound.get(0);
}

Result<Value> float_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"default"}));
  if (const Undefined* undefined = call.value.get<Undefined>()) return undefined_error(*undefined);
  if (const auto number = call.value.as_number()) return Value::real(*number);
  if (const Text* text = call.value.text())
    if (const auto real = parse_real(*text)) return Value::real(*real);
  return bound.get(0) == nullptr ? Value::real(0) : *bound.get(0);
}

Status not_a_number(const FilterCall& call) {
  return make_error(StatusCode::kDataCorrupt, "{}: a value of type '{}', expected a number",
                    call.name, call.value.type_name());
}

Result<Value> abs_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  if (const auto integer = call.value.as_integer())
    return *integer < 0 ? negate(Value::integer(*integer), "-") : Value::integer(*integer);
  if (const auto real = call.value.as_number()) return Value::real(std::abs(*real));
  return not_a_number(call);
}

// Half to even on the exact value, as Python's round().
double round_to(double value, int64_t digits) {
  if (digits >= 0) {
    const auto places = static_cast<int>(std::min<int64_t>(digits, 400));
    return std::strtod(fmt::format("{:.{}f}", value, places).c_str(), nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(-digits));
  return std::isinf(unit) ? 0 * value : std::nearbyint(value / unit) * unit;
}

Result<Value> round_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound, call.bind({"precision", "method"}));
  BITNETC_ASSIGN_OR_RETURN(const int64_t digits, bound.integer(0, 0));
  BITNETC_ASSIGN_OR_RETURN(const Text method, bound.text(1, U"common"));
  const auto number = call.value.as_number();
  if (!number) return not_a_number(call);
  if (equal(method, U"common")) {
    if (call.value.as_integer() && digits >= 0) return Value::integer(*call.value.as_integer());
    const double rounded = std::isfinite(*number) ? round_to(*number, digits) : *number;
    if (call.value.as_integer()) return Value::integer(static_cast<int64_t>(rounded));
    return Value::real(rounded);
  }
  const bool is_ceil = equal(method, U"ceil");
  if (!is_ceil && !equal(method, U"floor"))
    return make_error(StatusCode::kDataCorrupt,
                      "round: method '{}': expected common, ceil or floor", to_utf8(method));
  const double unit = std::pow(10.0, static_cast<double>(digits));
  const double whole = is_ceil ? std::ceil(*number * unit) : std::floor(*number * unit);
  return Value::real((whole + 0.0) / unit);  // an integer: there is no -0
}

// --- JSON

Result<Value> to_json_filter(const FilterCall& call) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           call.bind({"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style{.ensure_ascii = bound.flag(0), .sort_keys = bound.flag(3)};
  if (const Value* width = bound.get(1); width != nullptr && width->text() != nullptr) {
    style.indent = *width->text();
  } else if (width != nullptr && !width->is_none()) {
    BITNETC_ASSIGN_OR_RETURN(const int64_t given, bound.integer(1, 0));
    const int64_t blanks = std::max<int64_t>(0, given);
    BITNETC_RETURN_IF_ERROR(call.context.check_size(blanks));
    BITNETC_RETURN_IF_ERROR(call.context.check_size(blanks * kMaxValueDepth));
    style.indent = Text(static_cast<size_t>(blanks), U' ');
  }
  if (style.indent) style.item_separator = U",";
  if (const Value* separators = bound.get(2); separators != nullptr && !separators->is_none()) {
    const auto* pair = separators->items();
    const bool valid = pair != nullptr && pair->size() == 2 && (*pair)[0].text() != nullptr &&
                       (*pair)[1].text() != nullptr;
    if (!valid) return Status(StatusCode::kDataCorrupt, "tojson: separators: expected two strings");
    style.item_separator = *(*pair)[0].text();
    style.key_separator = *(*pair)[1].text();
  }
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(call.value.weight()));
  BITNETC_ASSIGN_OR_RETURN(Text text, to_json(call.value, style));
  return call.context.string(std::move(text));
}

Result<Value> from_json_filter(const FilterCall& call) {
  BITNETC_RETURN_IF_ERROR(call.bind({}).status());
  const String* string = call.value.get<String>();
  if (string == nullptr) return call.value;
  BITNETC_RETURN_IF_ERROR(call.context.charge_walk(8 * call.value.weight()));
  std::optional<Value> read = from_json(*string->text);
  if (!read) return call.value;
  BITNETC_RETURN_IF_ERROR(check_extent(*read));
  return *std::move(read);
}

constexpr NamedFilter kTextFilters[] = {
    {"upper", map_text<upper>},
    {"lower", map_text<lower>},
    {"title", map_text<title_filter>},
    {"capitalize", map_text<capitalize>},
    {"urlencode", urlencode_filter},
    {"striptags", map_text<strip_tags>},
    {"trim", trim_filter},
    {"string", string_filter},
    {"safe", safe_filter},
    {"e", escape_filter},
    {"escape", escape_filter},
    {"forceescape", map_text<escape_html, true>},
    {"replace", replace_filter},
    {"indent", indent_filter},
    {"center", center_filter},
    {"truncate", truncate_filter},
    {"wordcount", word_count_filter},
    {"format", format_filter},
    {"default", default_filter},
    {"d", default_filter},
    {"int", int_filter},
    {"float", float_filter},
    {"abs", abs_filter},
    {"round", round_filter},
    {"tojson", to_json_filter},
    {"fromjson", from_json_filter},
};

}  // namespace

std::span<const NamedFilter> text_filters() {
  return kTextFilters;
}

}  // namespace bitnetc::jinja
