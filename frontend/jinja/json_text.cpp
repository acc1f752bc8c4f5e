#include "frontend/jinja/json_text.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "runtime/ordered_json.h"

namespace bitnetc::jinja {
namespace {

void append_marked(std::string_view ascii, char32_t mark, Text& out) {
  for (const char c : ascii) out.push_back(static_cast<unsigned char>(c) | mark);
}

void append_escape(char32_t c, char32_t mark, Text& out) {
  if (c > 0xFFFF) {
    append_escape(0xD7C0 + (c >> 10), mark, out);
    append_escape(0xDC00 + (c & 0x3FF), mark, out);
  } else {
    append_marked(fmt::format("\\u{:04x}", uint32_t{c}), mark, out);
  }
}

void append_string(TextView text, bool ensure_ascii, Text& out) {
  constexpr std::string_view kEscaped = "\"\\\n\r\t\b\f";
  constexpr std::string_view kLetters = "\"\\nrtbf";
  out.push_back('"');
  for (const char32_t character : text) {
    const char32_t c = code_point(character), mark = mark_of(character);
    const size_t escaped = c < 0x80 ? kEscaped.find(static_cast<char>(c)) : kEscaped.npos;
    if (escaped != kEscaped.npos) {
      out += {U'\\' | mark, static_cast<char32_t>(kLetters[escaped]) | mark};
    } else if (c < 0x20 || (ensure_ascii && c > 0x7E)) {
      append_escape(c, mark, out);
    } else {
      out.push_back(character);
    }
  }
  out.push_back('"');
}

std::string json_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return print_real(value);
}

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  Status write(const Value& value) {
    if (value.is_none()) {
      append_ascii("null", out_);
    } else if (const bool* boolean = value.get<bool>()) {
      append_ascii(*boolean ? "true" : "false", out_);
    } else if (const int64_t* integer = value.get<int64_t>()) {
      append_ascii(std::to_string(*integer), out_);
    } else if (const double* real = value.get<double>()) {
      append_ascii(json_real(*real), out_);
    } else if (const Text* text = value.text()) {
      append_string(*text, style_.ensure_ascii, out_);
    } else if (const auto* items = value.items()) {
      return write_list(*items);
    } else if (const DictTable* table = value.table()) {
      return write_dict(*table);
    } else {
      return make_error(StatusCode::kDataCorrupt, "tojson: a value of type '{}' is not JSON",
                        value.type_name());
    }
    return {};
  }

  Text take() { return std::move(out_); }

 private:
  void new_line() {
    if (!style_.indent) return;
    out_.push_back('\n');
    for (int i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  // Between { and } or [ and ]; write_one(i) writes one of `count` items.
  template <typename WriteOne>
  Status write_items(size_t count, std::string_view brackets, WriteOne write_one) {
    append_ascii(brackets.substr(0, 1), out_);
    ++level_;
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line();
      BITNETC_RETURN_IF_ERROR(write_one(i));
    }
    --level_;
    if (count > 0) new_line();
    append_ascii(brackets.substr(1), out_);
    return {};
  }

  Status write_list(const std::vector<Value>& items) {
    return write_items(items.size(), "[]", [&](size_t i) { return write(items[i]); });
  }

  Status write_key(const Value& key) {
    if (key.text() != nullptr) return write(key);
    if (!key.is_none() && !key.as_number())
      return make_error(StatusCode::kDataCorrupt, "tojson: a key of type '{}' is not JSON",
                        key.type_name());
    append_ascii("\"", out_);
    BITNETC_RETURN_IF_ERROR(write(key));
    append_ascii("\"", out_);
    return {};
  }

  Status write_dict(const DictTable& table) {
    std::vector<const DictTable::Entry*> entries;
    for (const auto& entry : table.entries()) entries.push_back(&entry);
    if (style_.sort_keys) BITNETC_RETURN_IF_ERROR(sort(entries));
    return write_items(entries.size(), "{}", [&](size_t i) -> Status {
      BITNETC_RETURN_IF_ERROR(write_key(entries[i]->first));
      out_ += style_.key_separator;
      return write(entries[i]->second);
    });
  }

  static Status sort(std::vector<const DictTable::Entry*>& entries) {
    Status failure;
    std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
      const Result<bool> is_less = less(a->first, b->first, "<");
      if (!is_less.ok()) failure = is_less.status();
      return is_less.ok() && *is_less;
    });
    return failure;
  }

  const JsonStyle& style_;
  Text out_;
  int level_ = 0;
};

using Json = nlohmann::ordered_json;

std::optional<Value> value_of(const Json& json, char32_t mark, int depth) {
  if (depth > kMaxValueDepth) return std::nullopt;
  switch (json.type()) {
    case Json::value_t::null: return Value();
    case Json::value_t::boolean: return Value::boolean(json.get<bool>());
    case Json::value_t::number_float: return Value::real(json.get<double>());
    case Json::value_t::number_integer: return Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > uint64_t{INT64_MAX}) return std::nullopt;
      return Value::integer(json.get<int64_t>());
    case Json::value_t::string: return Value::string(json.get_ref<const std::string&>(), mark);
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& each : json) {
        std::optional<Value> item = value_of(each, mark, depth + 1);
        if (!item) return std::nullopt;
        items.push_back(*std::move(item));
      }
      return Value::list(std::move(items));
    }
    case Json::value_t::object: {
      std::vector<std::pair<Value, Value>> entries;
      for (const auto& [key, each] : json.items()) {
        std::optional<Value> entry = value_of(each, mark, depth + 1);
        if (!entry) return std::nullopt;
        entries.emplace_back(Value::string(key, mark), *std::move(entry));
      }
      return Value::dict(std::move(entries));
    }
    default: return std::nullopt;
  }
}

}  // namespace

Result<Text> to_json(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  BITNETC_RETURN_IF_ERROR(writer.write(value));
  return writer.take();
}

std::optional<Value> from_json(TextView text) {
  char32_t mark = 0;
  for (const char32_t character : text) mark |= mark_of(character);
  const Result<Json> json = parse_ordered_json(
      to_utf8(text), {.depth = size_t{kMaxValueDepth}, .keys = std::numeric_limits<size_t>::max()});
  if (!json.ok()) return std::nullopt;
  return value_of(*json, mark, 0);
}

}  // namespace bitnetc::jinja
