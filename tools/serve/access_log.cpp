#include "tools/serve/access_log.h"

#include <ctime>

#include "runtime/printable.h"
#include "tools/serve/api/json.h"

namespace bitnetc::serve {
namespace {

constexpr size_t kMostShownBytes = 100;  // of what clients choose

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string as_json(const AccessRecord& record) {
  Json line = {{"time", utc_now()},
               {"id", record.id},
               {"method", record.method},
               {"route", record.route},
               {"status", record.status}};
  if (!record.path.empty()) line["path"] = printable(record.path, kMostShownBytes);
  if (!record.key.empty()) line["key"] = record.key;
  if (!record.finish.empty()) {
    line["finish"] = record.finish;
    line["prompt_tokens"] = record.prompt_tokens;
    line["cached_tokens"] = record.cached_tokens;
    line["text_tokens"] = record.text_tokens;
  }
  if (record.first_token_s) line["first_token_s"] = *record.first_token_s;
  line["total_s"] = record.total_s;
  return dump(line) + "\n";
}

std::string as_text(const AccessRecord& record) {
  std::string line = fmt::format("{} {} {} {} {:.3f} s", utc_now(), record.method, record.route,
                                 record.status, record.total_s);
  if (!record.finish.empty())
    line += fmt::format(", {} after {} tokens for {} ({} cached)", record.finish,
                        record.text_tokens, record.prompt_tokens, record.cached_tokens);
  if (record.first_token_s) line += fmt::format(", first after {:.3f} s", *record.first_token_s);
  if (!record.key.empty()) line += ", " + record.key;
  if (!record.path.empty()) line += ", " + printable(record.path, kMostShownBytes);
  return line + ", " + printable(record.id, kMostShownBytes) + "\n";
}

}  // namespace

std::string format_access(const AccessRecord& record, LogFormat format) {
  return format == LogFormat::kJson ? as_json(record) : as_text(record);
}

std::string message_as_json(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return dump(Json{{"time", utc_now()}, {"message", text}}) + "\n";
}

void AccessLog::write(const AccessRecord& record) {
  if (!sink_) return;
  const std::string line = format_access(record, format_);
  const std::lock_guard lock(mutex_);
  sink_(line);
}

}  // namespace bitnetc::serve
