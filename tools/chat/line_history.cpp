#include "tools/chat/line_history.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace bitnetc::chat {
namespace {

using nlohmann::json;

constexpr int64_t kMostHistoryBytes = int64_t{64} << 20;

std::optional<std::string> line_of(std::string_view entry) {
  const json parsed = json::parse(entry, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return std::nullopt;
  const auto line = parsed.find("line");
  if (line == parsed.end() || !line->is_string()) return std::nullopt;
  return line->get<std::string>();
}

std::vector<std::string> parse_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (auto line = line_of(text.substr(0, end))) lines.push_back(*std::move(line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string entries_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines)
    text +=
        json{{"line", line}}.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace) +
        "\n";
  return text;
}

}  // namespace

Result<LineHistory> LineHistory::open(const std::string& state_dir) {
  if (state_dir.empty())
    return Status(StatusCode::kNotFound,
                  "there is no state directory (neither XDG_STATE_HOME nor HOME is set)");
  const std::filesystem::path path = state_dir;
  BITNETC_ASSIGN_OR_RETURN(
      CacheDirectory folder,
      CacheDirectory::open(path.parent_path(), path.filename(), "XDG_STATE_HOME"));
  LineHistory history(std::move(folder));
  BITNETC_ASSIGN_OR_RETURN(history.lines_, history.read());
  return history;
}

Result<std::vector<std::string>> LineHistory::read() const {
  BITNETC_ASSIGN_OR_RETURN(const auto bytes, folder_.read(kFileName, kMostHistoryBytes));
  if (!bytes) return std::vector<std::string>();
  return parse_lines({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
}

Status LineHistory::add(const std::string& line) const {
  if (line.size() > kMostLineBytes) return {};
  BITNETC_ASSIGN_OR_RETURN(const CacheDirectory::Lock lock, folder_.lock());
  BITNETC_ASSIGN_OR_RETURN(std::vector<std::string> lines, read());
  if (!lines.empty() && lines.back() == line) return {};
  lines.push_back(line);
  if (lines.size() > kMostLines)
    lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(kMostLines));
  const std::string text = entries_of(lines);
  return folder_.publish(kFileName, {reinterpret_cast<const uint8_t*>(text.data()), text.size()},
                         Durability::kUnsynced);
}

}  // namespace bitnetc::chat
