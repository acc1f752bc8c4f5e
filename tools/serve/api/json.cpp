#include "tools/serve/api/json.h"

#include "runtime/ordered_json.h"

namespace bitnetc::serve {

Checked<Json> parse_object(std::string_view text) {
  Result<Json> json = parse_ordered_json(text, {.depth = kMostJsonDepth, .keys = kMostJsonKeys});
  if (!json.ok()) {
    const bool is_limit = json.status().code() == StatusCode::kUnsupported;
    return bad_request((is_limit ? "the body " : "the body is no JSON: ") +
                       json.status().message());
  }
  if (!json->is_object()) return bad_request("the body is no JSON object");
  return *std::move(json);
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
