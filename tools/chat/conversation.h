// A conversation, and the file that /save writes it to (docs/chat.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/chat.h"
#include "runtime/sampler.h"
#include "runtime/status.h"
#include "tools/engine/generate.h"

namespace bitnetc::chat {

struct Turn {
  std::string question, answer;
  StopReason stop = StopReason::kEndOfText;  // of the answer
  std::string thought = {};                  // before the answer; empty: nothing was
};

struct Conversation {
  std::optional<std::string> system;
  std::vector<Turn> turns;

  // All of it, as a template takes it.
  std::vector<ChatMessage> messages() const;
};

// What answers depend on besides the messages.
struct ChatSettings {
  std::string model;        // path of the compiled model
  std::string fingerprint;  // answer_fingerprint()
  SamplingParams sampling;  // the seed is that of the first answer
};

struct SavedChat {
  Conversation conversation;
  ChatSettings settings;
  uint64_t answers = 0;  // written so far, /regenerate included: the next one's seed depends on it
};

// `version`: of bitnetc.
std::string saved_chat_json(const SavedChat& chat, const std::string& version);
// Error: naming `origin`, the field, its value and what was expected: kDataCorrupt, kUnsupported
// for another version of the document.
Result<SavedChat> parse_saved_chat(std::string_view text, const std::string& origin);
// Error: also as MappedFile::open(), and kUnsupported for more than 64 MiB.
Result<SavedChat> read_saved_chat(const std::string& path);

// "model, temperature": what of `saved` is not as here; empty: nothing.
std::string differences(const ChatSettings& saved, const ChatSettings& here);

}  // namespace bitnetc::chat
