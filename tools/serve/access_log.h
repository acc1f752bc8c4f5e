// One line per request on stderr: who asked what, how it ended, how long it took. Never what was
// said.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace bitnetc::serve {

enum class LogFormat { kText, kJson, kNone };

struct AccessRecord {
  std::string id, method, route;  // route: the pattern, no part of which a client chooses
  std::string key;                // which API key, by its place: "key1"; empty: none
  int status = 0;                 // 499: the client went before the answer ended
  std::string finish;             // "stop", "length", "error", "cancelled"; empty: no text
  int64_t prompt_tokens = 0, cached_tokens = 0, text_tokens = 0;
  std::optional<double> first_token_s;
  double total_s = 0;
};

std::string format_access(const AccessRecord& record, LogFormat format);

class AccessLog {
 public:
  explicit AccessLog(LogFormat format) : format_(format) {}
  void write(const AccessRecord& record);

 private:
  const LogFormat format_;
  std::mutex mutex_;
};

}  // namespace bitnetc::serve
