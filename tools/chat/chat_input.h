// What a user types in a chat: messages of one line or several, and commands. Pure values: no
// terminal is needed for them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc::chat {

struct ChatInput {
  std::string text;
  bool is_literal = false;  // stood between """, so it is a message whatever it begins with
};

// Makes inputs of lines. A line that ends with a backslash goes on with the next one. """ at the
// beginning of a line opens a text that goes on, as it is, to a line that ends with """.
class InputLines {
 public:
  // Takes a line without its end. The input that it completes; nothing: more lines belong to it, or
  // it is blank.
  std::optional<ChatInput> add(std::string_view line);
  bool is_open() const { return state_ != State::kFirst; }
  // No more lines come: what a backslash kept open. Error: kInvalidArgument where """ was not
  // closed.
  Result<std::optional<ChatInput>> finish();
  void clear();

 private:
  enum class State { kFirst, kContinued, kLiteral };

  std::optional<ChatInput> begin(std::string_view line);
  std::optional<ChatInput> add_literal(std::string_view line);
  ChatInput take(bool is_literal);

  State state_ = State::kFirst;
  bool has_lines_ = false;
  std::string text_;
};

enum class CommandKind { kHelp, kReset, kSave, kLoad, kSystem, kStats, kRegenerate, kQuit };

struct ChatCommand {
  CommandKind kind = CommandKind::kHelp;
  std::string argument;  // without blanks around it
};

bool is_command(const ChatInput& input);
// Of a text that begins with a slash. Error: kInvalidArgument for a command that does not exist,
// with the nearest one that does, for an argument that is missing and for one too many.
Result<ChatCommand> parse_command(std::string_view text);
// The file that an argument of /save or /load names: without the quotes around the whole of it, and
// with `home` for the tilde of "~/"; empty: there is no home.
std::string file_named(std::string_view argument, const std::string& home);
// A line of each command, and how messages of several lines are typed.
std::string command_help();

}  // namespace bitnetc::chat
