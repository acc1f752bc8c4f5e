#include "tools/serve/api/error.h"

#include <nlohmann/json.hpp>

#include "tools/serve/api/json.h"

namespace bitnetc::serve {

ApiError bad_request(std::string message, std::string param, std::string code) {
  return {.message = std::move(message), .param = std::move(param), .code = std::move(code)};
}

ApiError unsupported_field(std::string param, const std::string& why) {
  std::string message = fmt::format("'{}' is not supported: {}", param, why);
  return bad_request(std::move(message), std::move(param), "unsupported_parameter");
}

ApiError not_found(std::string message, std::string code) {
  return {.status = 404, .message = std::move(message), .code = std::move(code)};
}

ApiError queue_is_full() {
  return {.status = 429,
          .type = "rate_limit_error",
          .message = "as many requests wait as may wait; try again",
          .code = "queue_full",
          .retry_after = 1};
}

ApiError unavailable(std::string message) {
  return {.status = 503,
          .type = "service_unavailable",
          .message = std::move(message),
          .code = "unavailable",
          .retry_after = 1};
}

ApiError error_of(const Status& status, std::string param) {
  if (status.code() == StatusCode::kInvalidArgument)
    return bad_request(status.message(), std::move(param));
  if (status.code() == StatusCode::kCancelled) return unavailable(status.message());
  return {.status = 500, .type = "server_error", .message = status.message()};
}

namespace {

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

const char* anthropic_type(const ApiError& error) {
  switch (error.status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return error.status >= 500 ? "api_error" : "invalid_request_error";
  }
}

}  // namespace

std::string error_body(const ApiError& error, ErrorStyle style) {
  if (style == ErrorStyle::kAnthropic)
    return dump({{"type", "error"},
                 {"error", {{"type", anthropic_type(error)}, {"message", error.message}}}});
  return dump({{"error",
                {{"message", error.message},
                 {"type", error.type},
                 {"param", text_or_null(error.param)},
                 {"code", text_or_null(error.code)}}}});
}

HttpResponse error_response(const ApiError& error, ErrorStyle style) {
  HttpResponse response{.status = error.status,
                        .headers = {{"content-type", "application/json"}},
                        .body = error_body(error, style)};
  if (error.status == 401) response.headers.push_back({"www-authenticate", "Bearer"});
  if (error.retry_after) {
    response.headers.push_back({"retry-after", std::to_string(*error.retry_after)});
    response.headers.push_back({"retry-after-ms", std::to_string(*error.retry_after * 1000)});
  } else if (error.status >= 500) {
    response.headers.push_back({"x-should-retry", "false"});
  }
  return response;
}

}  // namespace bitnetc::serve
