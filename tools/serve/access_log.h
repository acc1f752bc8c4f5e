// One line per request: who asked what, how it ended, how long it took. Never what was
// said.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace bitnetc::serve {

enum class LogFormat { kText, kJson };

struct AccessRecord {
  std::string id, method, route;  // route: the pattern, no part of which a client chooses
  std::string key;                // which API key, by its place: "key1"; empty: none
  int status = 0;                 // 499: the client went before the answer ended
  std::string path;               // where no route is there: what the client asked for
  // "stop", "length", "cancelled" by the client, "timeout", "shutdown", "error"; empty: no text.
  std::string finish;
  int64_t prompt_tokens = 0, cached_tokens = 0, text_tokens = 0;
  std::optional<double> first_token_s;
  double total_s = 0;
};

// With a newline.
std::string format_access(const AccessRecord& record, LogFormat format);
// A message that is about no request, as a line of the log in JSON: {"time", "message"}.
std::string message_as_json(std::string_view text);

class AccessLog {
 public:
  // `sink` is called by one thread at a time; empty: nothing is noted.
  AccessLog(LogFormat format, std::function<void(const std::string& line)> sink)
      : format_(format), sink_(std::move(sink)) {}
  void write(const AccessRecord& record);

 private:
  const LogFormat format_;
  const std::function<void(const std::string& line)> sink_;
  std::mutex mutex_;
};

}  // namespace bitnetc::serve
