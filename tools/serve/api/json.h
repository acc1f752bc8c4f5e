// JSON of requests and answers.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tools/serve/api/error.h"

namespace bitnetc::serve {

using Json = nlohmann::ordered_json;

inline constexpr size_t kMostJsonDepth = 64;   // of arrays and objects inside one another
inline constexpr size_t kMostJsonKeys = 4096;  // of one object

// An object, read in linear time. Error: 400 for what is no JSON, no object or beyond the limits.
Checked<Json> parse_object(std::string_view text);
// On one line; bytes that are not UTF-8 become U+FFFD.
std::string dump(const Json& json);
// "data: ...", with an event: line where `event` is not empty.
std::string sse_event(const Json& data, std::string_view event = {});
inline constexpr char kSseDone[] = "data: [DONE]\n\n";

}  // namespace bitnetc::serve
