// What a client is told when it does not get what it asked for.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "runtime/status.h"
#include "tools/serve/http/message.h"

namespace bitnetc::serve {

struct ApiError {
  int status = 400;
  std::string type = "invalid_request_error";
  std::string message;
  std::string param = {};  // the field that is at fault; empty: none
  std::string code = {};   // empty: none
  // For 429 and 503, in seconds; nothing: asking again is of no use.
  std::optional<int> retry_after = {};
};

ApiError bad_request(std::string message, std::string param = {}, std::string code = {});
ApiError unsupported_field(std::string param, const std::string& why);
ApiError not_found(std::string message, std::string code);
ApiError queue_is_full();
ApiError unavailable(std::string message);
// What the engine says: kInvalidArgument is the client's fault, the rest is not.
ApiError error_of(const Status& status, std::string param = {});

// How surfaces write the same error.
enum class ErrorStyle { kOpenAi, kAnthropic };
// {"error": {"message", "type", "param", "code"}}, or Anthropic's {"type": "error", "error": ...}.
std::string error_body(const ApiError& error, ErrorStyle style = ErrorStyle::kOpenAi);
HttpResponse error_response(const ApiError& error, ErrorStyle style = ErrorStyle::kOpenAi);

// A T, or what is wrong with the request.
template <typename T>
class Checked {
 public:
  Checked(T value) : state_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Checked(ApiError error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return std::holds_alternative<T>(state_); }
  const ApiError& error() const { return std::get<ApiError>(state_); }
  T& operator*() { return std::get<T>(state_); }
  T* operator->() { return &std::get<T>(state_); }

 private:
  std::variant<T, ApiError> state_;
};

}  // namespace bitnetc::serve
