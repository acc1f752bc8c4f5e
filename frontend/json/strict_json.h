// JSON from files we did not write: duplicate keys and deep nesting are errors, and every failure names the
// file. Private to frontend/: no public header includes this one.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

inline constexpr int kMaxJsonDepth = 64;

// Parses a whole document. `origin` opens every message ("model/config.json").
// Error: kDataCorrupt with the byte offset (bad syntax, invalid UTF-8, a number outside double) or with the
// name of the duplicate key.
Result<nlohmann::json> parse_strict_json(std::string_view text, const std::string& origin);

// A value as it stands in a message: compact, cut after 80 bytes.
std::string json_excerpt(const nlohmann::json& value);

// Text from a file as it may stand in a message: control characters become '?', long text is cut.
std::string printable(std::string_view text);

}  // namespace bitnetc
