#include "tools/serve/api/json.h"

#include "runtime/printable.h"

namespace bitnetc::serve {

Checked<Json> parse_object(std::string_view text) {
  bool is_too_deep = false;
  const auto check_depth = [&](int depth, Json::parse_event_t, Json&) {
    is_too_deep = is_too_deep || depth > kMostJsonDepth;
    return !is_too_deep;
  };
  try {
    Json json = Json::parse(text, check_depth);
    if (is_too_deep)
      return bad_request(fmt::format("the body is nested deeper than {}", kMostJsonDepth));
    if (!json.is_object()) return bad_request("the body is no JSON object");
    return json;
  } catch (const Json::exception& error) {
    return bad_request("the body is no JSON: " + printable(error.what(), 200));
  }
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string sse_event(const Json& data, std::string_view event) {
  std::string text;
  if (!event.empty()) text = fmt::format("event: {}\n", event);
  return text + "data: " + dump(data) + "\n\n";
}

}  // namespace bitnetc::serve
