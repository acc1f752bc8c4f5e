// |tojson and |fromjson: Python's json module, whose output templates were written against.
#pragma once

#include <optional>

#include "frontend/jinja/value.h"

namespace bitnetc::jinja {

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<Text> indent = std::nullopt;  // one level; nullopt: all on one line
  Text item_separator = U", ";
  Text key_separator = U": ";
  bool sort_keys = false;
};

// Error: kDataCorrupt for a value that JSON does not have (undefined, a range, a function).
Result<Text> to_json(const Value& value, const JsonStyle& style);

// nullopt if `text` is not JSON, or nested deeper than kMaxValueDepth. What was marked in the text
// is marked in the strings of the result, all of it or nothing.
std::optional<Value> from_json(TextView text);

}  // namespace bitnetc::jinja
