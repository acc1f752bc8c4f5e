// The lines that were typed at the prompts of chats, kept in the state directory as JSON Lines:
// {"line": "..."}, the oldest first. Nothing depends on it. The file is this user's alone and is
// replaced as a whole; two chats may add to it at once.
#pragma once

#include <string>
#include <vector>

#include "runtime/cache_directory.h"
#include "runtime/status.h"

namespace bitnetc::chat {

class LineHistory {
 public:
  static constexpr char kFileName[] = "chat-history.jsonl";
  static constexpr size_t kMostLines = 1000;        // the last ones are kept
  static constexpr size_t kMostLineBytes = 16'384;  // a longer line is not kept

  // `state_dir`: made where it is missing. Error: kNotFound where it is empty, for there is no
  // state directory; as CacheDirectory::open() and CacheDirectory::read().
  static Result<LineHistory> open(const std::string& state_dir);

  // As they were when the history was opened, the oldest first. What is no line of a history is
  // passed over.
  const std::vector<std::string>& lines() const { return lines_; }
  // Adds a line to the file, unless it is that of the end. Error: as CacheDirectory::lock(), read()
  // and publish().
  Status add(const std::string& line) const;

 private:
  explicit LineHistory(CacheDirectory folder) : folder_(std::move(folder)) {}
  Result<std::vector<std::string>> read() const;

  CacheDirectory folder_;
  std::vector<std::string> lines_;
};

}  // namespace bitnetc::chat
