#include "tools/chat/chat_input.h"

#include "runtime/printable.h"
#include "tools/engine/spelling.h"

namespace bitnetc::chat {
namespace {

constexpr std::string_view kFence = "\"\"\"", kBlanks = " \t";
constexpr size_t kMostShownBytes = 60;

std::string_view without_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

enum class Argument { kNone, kNeeded, kOptional };

struct CommandEntry {
  const char* name;
  CommandKind kind;
  Argument argument;
  const char* placeholder;
  const char* meaning;  // null: another name of the one before
};

constexpr CommandEntry kCommands[] = {
    {"/help", CommandKind::kHelp, Argument::kNone, "", "what can be typed here"},
    {"/reset", CommandKind::kReset, Argument::kNone, "",
     "begins a new conversation; the system message stays"},
    {"/regenerate", CommandKind::kRegenerate, Argument::kNone, "",
     "another answer to the last message; also /retry"},
    {"/retry", CommandKind::kRegenerate, Argument::kNone, "", nullptr},
    {"/system", CommandKind::kSystem, Argument::kOptional, " TEXT",
     "sets the system message; without a text there is none any more"},
    {"/save", CommandKind::kSave, Argument::kNeeded, " FILE", "writes the conversation as JSON"},
    {"/load", CommandKind::kLoad, Argument::kNeeded, " FILE",
     "goes on with a conversation that was saved"},
    {"/stats", CommandKind::kStats, Argument::kNone, "",
     "tokens reused and computed, speed, how full the context is"},
    {"/quit", CommandKind::kQuit, Argument::kNone, "", "leaves, as Ctrl-D does"},
};

// What other programs call a command.
constexpr struct {
  const char *there, *here;
} kElsewhere[] = {{"/clear", "/reset"}, {"/new", "/reset"}, {"/bye", "/quit"}, {"/exit", "/quit"}};

std::string command_meant_by(std::string_view name) {
  for (const auto& [there, here] : kElsewhere)
    if (name == there) return here;
  std::vector<std::string> names;
  for (const CommandEntry& each : kCommands) names.emplace_back(each.name);
  return nearest_word(name, names);
}

Status unknown_command(std::string_view name) {
  const std::string meant = command_meant_by(name);
  return make_error(StatusCode::kInvalidArgument,
                    "there is no command {}; {} (a message that begins with a slash goes between "
                    "\"\"\")",
                    printable(name, kMostShownBytes),
                    meant.empty() ? "/help lists them" : fmt::format("did you mean {}?", meant));
}

}  // namespace

void InputLines::clear() {
  state_ = State::kFirst;
  has_lines_ = false;
  text_.clear();
}

ChatInput InputLines::take(bool is_literal) {
  ChatInput input{.text = std::move(text_), .is_literal = is_literal};
  clear();
  return input;
}

std::optional<ChatInput> InputLines::add(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (state_ == State::kLiteral) return add_literal(line);
  if (state_ == State::kFirst) {
    const size_t first = line.find_first_not_of(kBlanks);
    if (first == line.npos) return std::nullopt;
    if (line.substr(first).starts_with(kFence)) return begin(line.substr(first + kFence.size()));
  }
  if (has_lines_) text_ += '\n';
  has_lines_ = true;
  const bool goes_on = line.ends_with('\\');
  if (goes_on) line.remove_suffix(1);
  text_ += line;
  state_ = State::kContinued;
  if (goes_on) return std::nullopt;
  return take(/*is_literal=*/false);
}

// `line` stands behind the opening """.
std::optional<ChatInput> InputLines::begin(std::string_view line) {
  state_ = State::kLiteral;
  if (line.find_first_not_of(kBlanks) == line.npos) return std::nullopt;
  return add_literal(line);
}

std::optional<ChatInput> InputLines::add_literal(std::string_view line) {
  const std::string_view end = line.substr(0, line.find_last_not_of(kBlanks) + 1);
  const bool is_last = end.ends_with(kFence);
  if (is_last) line = end.substr(0, end.size() - kFence.size());
  // The closing """ on a line of its own ends the line before it.
  const bool is_fence_alone = is_last && line.find_first_not_of(kBlanks) == line.npos;
  if (!is_fence_alone) {
    if (has_lines_) text_ += '\n';
    has_lines_ = true;
    text_ += line;
  }
  if (!is_last) return std::nullopt;
  return take(/*is_literal=*/true);
}

Result<std::optional<ChatInput>> InputLines::finish() {
  const State state = state_;
  if (state == State::kContinued) return std::optional(take(/*is_literal=*/false));
  clear();
  if (state == State::kLiteral)
    return Status(StatusCode::kInvalidArgument,
                  "the input ended inside a message that begins with \"\"\"; expected a line that "
                  "ends with \"\"\"");
  return std::optional<ChatInput>();
}

bool is_command(const ChatInput& input) {
  return !input.is_literal && without_blanks(input.text).starts_with('/');
}

Result<ChatCommand> parse_command(std::string_view text) {
  text = without_blanks(text);
  const size_t name_end = std::min(text.find_first_of(" \t\n"), text.size());
  const std::string_view name = text.substr(0, name_end);
  const std::string_view argument = without_blanks(text.substr(name_end));
  for (const CommandEntry& each : kCommands) {
    if (name != each.name) continue;
    if (each.argument == Argument::kNone && !argument.empty())
      return make_error(StatusCode::kInvalidArgument, "{}: '{}': expected nothing behind it",
                        each.name, printable(argument, kMostShownBytes));
    if (each.argument == Argument::kNeeded && argument.empty())
      return make_error(StatusCode::kInvalidArgument, "{}: expected{}", each.name,
                        each.placeholder);
    return ChatCommand{.kind = each.kind, .argument = std::string(argument)};
  }
  return unknown_command(name);
}

std::string file_named(std::string_view argument, const std::string& home) {
  const char quote = argument.empty() ? 0 : argument.front();
  const bool is_quoted = argument.size() > 2 && argument.back() == quote &&
                         (quote == '"' || quote == '\'') &&
                         argument.find(quote, 1) == argument.size() - 1;
  if (is_quoted) argument = argument.substr(1, argument.size() - 2);
  if (!home.empty() && argument.starts_with("~/")) return home + std::string(argument.substr(1));
  return std::string(argument);
}

std::string command_help() {
  std::string help;
  for (const CommandEntry& each : kCommands) {
    if (each.meaning == nullptr) continue;
    help +=
        fmt::format("{:<14}{}\n", fmt::format("{}{}", each.name, each.placeholder), each.meaning);
  }
  return help +
         "A line that ends with \\ goes on with the next; \"\"\" begins a message of several "
         "lines, "
         "and \"\"\" ends it.\n"
         "Ctrl-C stops an answer, or clears the line; twice, or Ctrl-D, leaves.\n";
}

}  // namespace bitnetc::chat
