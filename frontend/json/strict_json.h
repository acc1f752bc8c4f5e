// JSON from files we did not write: duplicate keys, deep nesting and anything behind the value are
// errors, and every failure names the file. Private to frontend/: no public header includes this
// one.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

inline constexpr int kMaxJsonDepth = 64;

// Parses a whole document. `origin` opens every message ("model/config.json").
// Error: kDataCorrupt with the byte offset (bad syntax, a NUL byte, invalid UTF-8, a number outside
// double), with the name of the duplicate key, or with what the file is instead of JSON
// (check_is_not_stand_in).
Result<nlohmann::json> parse_strict_json(std::string_view text, const std::string& origin);

// The parser takes a raw NUL byte for the end of its input and never sees what follows: this
// refuses one, which no JSON text may hold. The caller adds the file as context.
Status check_no_nul(std::string_view text);

// A value as it stands in a message: compact, cut after 80 bytes.
std::string json_excerpt(const nlohmann::json& value);

}  // namespace bitnetc
