// How values print: Python's str() and repr().
#include <array>
#include <charconv>
#include <cmath>

#include "frontend/jinja/value.h"
#include "frontend/unicode/characters.h"

namespace bitnetc::jinja {
namespace {

void append_repr(const Value& value, Text& out);

void append_escaped(char32_t character, Text& out) {
  const char32_t c = code_point(character);
  const std::string escape = c < 0x100     ? fmt::format("\\x{:02x}", uint32_t{c})
                             : c < 0x10000 ? fmt::format("\\u{:04x}", uint32_t{c})
                                           : fmt::format("\\U{:08x}", uint32_t{c});
  for (const char each : escape)
    out.push_back(static_cast<unsigned char>(each) | mark_of(character));
}

void append_string_repr(TextView text, Text& out) {
  bool has_single = false, has_double = false;
  for (const char32_t character : text) {
    has_single |= code_point(character) == '\'';
    has_double |= code_point(character) == '"';
  }
  const char32_t quote = has_single && !has_double ? U'"' : U'\'';
  out.push_back(quote);
  for (const char32_t character : text) {
    const char32_t c = code_point(character), mark = mark_of(character);
    const auto put = [&](char32_t each) { out += {U'\\' | mark, each | mark}; };
    if (c == quote || c == '\\') {
      put(c);
    } else if (c == '\n') {
      put('n');
    } else if (c == '\t') {
      put('t');
    } else if (c == '\r') {
      put('r');
    } else if (!is_printable(c)) {
      append_escaped(character, out);
    } else {
      out.push_back(character);
    }
  }
  out.push_back(quote);
}

void append_items(std::span<const Value> items, Text& out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) append_ascii(", ", out);
    append_repr(items[i], out);
  }
}

void append_tuple(std::span<const Value> items, Text& out) {
  append_ascii("(", out);
  append_items(items, out);
  append_ascii(items.size() == 1 ? ",)" : ")", out);
}

void append_dict(const DictTable& table, Text& out) {
  append_ascii("{", out);
  for (size_t i = 0; i < table.entries().size(); ++i) {
    if (i > 0) append_ascii(", ", out);
    append_repr(table.entries()[i].first, out);
    append_ascii(": ", out);
    append_repr(table.entries()[i].second, out);
  }
  append_ascii("}", out);
}

void append_view(const DictView& view, std::string_view type, Text& out) {
  append_ascii(type, out);
  append_ascii("([", out);
  bool is_first = true;
  for (const auto& [key, value] : view.table->entries()) {
    if (!std::exchange(is_first, false)) append_ascii(", ", out);
    if (view.part == DictPart::kItems) {
      append_tuple(std::array{key, value}, out);
    } else {
      append_repr(view.part == DictPart::kKeys ? key : value, out);
    }
  }
  append_ascii("])", out);
}

void append_range(const Range& range, Text& out) {
  append_ascii(range.step == 1
                   ? fmt::format("range({}, {})", range.start, range.stop)
                   : fmt::format("range({}, {}, {})", range.start, range.stop, range.step),
               out);
}

void append_repr(const Value& value, Text& out) {
  if (value.is_none()) {
    append_ascii("None", out);
  } else if (value.is_undefined()) {
    append_ascii("Undefined", out);
  } else if (const bool* boolean = value.get<bool>()) {
    append_ascii(*boolean ? "True" : "False", out);
  } else if (const int64_t* integer = value.get<int64_t>()) {
    append_ascii(std::to_string(*integer), out);
  } else if (const double* real = value.get<double>()) {
    append_ascii(print_real(*real), out);
  } else if (const Text* text = value.text()) {
    append_string_repr(*text, out);
  } else if (value.get<List>() != nullptr) {
    append_ascii("[", out);
    append_items(*value.items(), out);
    append_ascii("]", out);
  } else if (value.get<Tuple>() != nullptr) {
    append_tuple(*value.items(), out);
  } else if (const DictTable* table = value.table()) {
    append_dict(*table, out);
  } else if (const DictView* view = value.get<DictView>()) {
    append_view(*view, value.type_name(), out);
  } else if (const Range* range = value.get<Range>()) {
    append_range(*range, out);
  } else {
    out += from_utf8((*value.get<Object*>())->describe());
  }
}

}  // namespace

std::string print_real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::array<char, 32> buffer{};
  const auto [end, failure] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                            std::chars_format::scientific);
  BITNETC_CHECK(failure == std::errc(), "no digits for {}", value);
  std::string_view printed(buffer.data(), static_cast<size_t>(end - buffer.data()));
  std::string sign;
  if (printed.front() == '-') {
    sign = "-";
    printed.remove_prefix(1);
  }
  const size_t e = printed.find('e');
  std::string digits(printed.substr(0, 1));
  if (e > 2) digits += printed.substr(2, e - 2);
  const int exponent = std::atoi(std::string(printed.substr(e + 1)).c_str());
  const auto count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    const std::string fraction = count > 1 ? "." + digits.substr(1) : "";
    return fmt::format("{}{}{}e{}{:02}", sign, digits[0], fraction, exponent < 0 ? '-' : '+',
                       std::abs(exponent));
  }
  if (exponent < 0)
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1)
    return sign + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  const auto whole = static_cast<size_t>(exponent + 1);
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

Text to_text(const Value& value) {
  if (const Text* text = value.text()) return *text;
  if (value.is_undefined()) return {};
  return to_repr(value);
}

Text to_repr(const Value& value) {
  Text out;
  append_repr(value, out);
  return out;
}

}  // namespace bitnetc::jinja
