// A chat: takes what a user types, keeps the conversation and lets the model answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/cancel_token.h"
#include "runtime/status.h"
#include "tools/chat/answerer.h"
#include "tools/chat/chat_input.h"
#include "tools/chat/conversation.h"

namespace bitnetc::chat {

// Where a chat writes.
class ChatOutput {
 public:
  virtual ~ChatOutput() = default;
  // A piece of an answer, of whole characters. Gives whether it could be written.
  virtual bool write(std::string_view text) = 0;
  // The same of what is thought before.
  virtual bool write_thought(std::string_view text) = 0;
  virtual void end_answer() = 0;
  // What a command shows: lines of text, each with its newline.
  virtual void show(const std::string& lines) = 0;
  // What was done, in one sentence, for whoever sits before it.
  virtual void say(const std::string& sentence) = 0;
  // That something is not as it was meant to be, in one sentence.
  virtual void note(const std::string& sentence) = 0;
};

struct ChatSetup {
  ChatSettings settings;
  std::optional<std::string> system;
  std::vector<std::string> inputs;  // files that /save may not take the place of
  std::string home;                 // as of file_named()
  std::string version;              // of bitnetc, for /save
  bool shows_statistics = false;    // behind every answer
};

enum class Next { kGoOn, kLeave };

class Chat {
 public:
  // All of them outlive it. `stop`: ends the answer that is being written.
  Chat(Answerer& answerer, ChatSetup setup, ChatOutput& output, const CancelToken& stop);

  // A message or a command. Error: what could not be done, in one sentence; the conversation is as
  // it was.
  Result<Next> take(const ChatInput& input);
  const Conversation& conversation() const { return conversation_; }

 private:
  Status obey(const ChatCommand& command);
  Status answer(std::string question);
  Status answer_last();
  Status regenerate();
  Status save(const std::string& path);
  Status load(const std::string& path);
  Status set_system(const std::string& text);
  void reset();
  void report_end(StopReason reason);
  std::string statistics() const;

  Answerer& answerer_;
  const ChatSetup setup_;
  ChatOutput& output_;
  const CancelToken& stop_;
  Conversation conversation_;
  uint64_t answers_ = 0;        // SavedChat::answers
  std::optional<Answer> last_;  // of this chat
};

}  // namespace bitnetc::chat
