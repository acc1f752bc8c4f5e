// What went wrong, said once and carried by value.
//
// `Status` is for what the world can do to us: a bad file, no memory, an unsupported target. It
// holds a code a program can branch on and one sentence for a person: file, field, value, what was
// expected. `Result<T>` is a T or such a Status. BITNETC_CHECK is for what only we can do wrong; it
// prints the values and aborts. All three are plain values; any thread may use its own.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <variant>

namespace bitnetc {

enum class StatusCode {
  kOk = 0,
  kInvalidArgument,  // the caller (a command line, an API user) asked for something that cannot be
  kNotFound,         // a file, tensor, model or kernel that should be there is not
  kDataCorrupt,      // a file is truncated, altered or not what its format says
  kUnsupported,      // well-formed, but this build, model family or machine cannot do it
  kIoError,          // the operating system refused to read or write
  kOutOfMemory,      // memory (ordinary or executable) was refused
  kDisqualified,     // a kernel failed its start-up proof
  kCancelled,        // the user asked to stop
};

const char* status_code_name(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure seen from one level up: "loading model/: config.json: hidden_size is missing".
  Status with_context(const std::string& context) const {
    return ok() ? *this : Status(code_, context + ": " + message_);
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

template <typename... Args>
Status make_error(StatusCode code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& values);

#define BITNETC_CHECK(condition, ...)                                                      \
  do {                                                                                     \
    if (!(condition)) [[unlikely]]                                                         \
      ::bitnetc::check_failed(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
  } while (false)

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    BITNETC_CHECK(!std::get<Status>(state_).ok(), "a Result needs a value or a failure");
  }

  bool ok() const { return std::holds_alternative<T>(state_); }
  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

  T& value() & {
    BITNETC_CHECK(ok(), "{}", std::get<Status>(state_).message());
    return std::get<T>(state_);
  }
  const T& value() const& {
    BITNETC_CHECK(ok(), "{}", std::get<Status>(state_).message());
    return std::get<T>(state_);
  }
  T&& value() && { return std::move(value()); }

  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

// Leaves the enclosing function with the failure, if there is one.
#define BITNETC_RETURN_IF_ERROR(expression)                                    \
  do {                                                                         \
    if (::bitnetc::Status bitnetc_status = (expression); !bitnetc_status.ok()) \
      return bitnetc_status;                                                   \
  } while (false)

#define BITNETC_CONCAT_INNER(a, b) a##b
#define BITNETC_CONCAT(a, b) BITNETC_CONCAT_INNER(a, b)
// BITNETC_ASSIGN_OR_RETURN(auto file, MappedFile::open(path));
#define BITNETC_ASSIGN_OR_RETURN(declaration, expression) \
  BITNETC_ASSIGN_OR_RETURN_INNER(BITNETC_CONCAT(bitnetc_result_, __LINE__), declaration, expression)
#define BITNETC_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                           \
  if (!result.ok()) return result.status();                             \
  declaration = *std::move(result)

}  // namespace bitnetc
