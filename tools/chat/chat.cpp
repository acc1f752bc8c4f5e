#include "tools/chat/chat.h"

#include "runtime/output_file.h"
#include "runtime/printable.h"

namespace bitnetc::chat {
namespace {

const char* plural_s(int64_t count) {
  return count == 1 ? "" : "s";
}

double rate(int64_t tokens, double seconds) {
  return tokens > 0 && seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

// The beginning of a text, on one line.
std::string beginning_of(std::string_view text) {
  constexpr size_t kMostBytes = 120;
  std::string line;
  for (const char each : text) {
    if (line.size() > kMostBytes) break;
    const bool is_blank = each == ' ' || each == '\n' || each == '\r' || each == '\t';
    if (!is_blank)
      line += each;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  if (line.ends_with(' ')) line.pop_back();
  return printable(line, kMostBytes);
}

}  // namespace

Chat::Chat(Answerer& answerer, ChatSetup setup, ChatOutput& output, const CancelToken& stop)
    : answerer_(answerer), setup_(std::move(setup)), output_(output), stop_(stop) {
  conversation_.system = setup_.system;
}

Result<Next> Chat::take(const ChatInput& input) {
  if (!is_command(input)) {
    BITNETC_RETURN_IF_ERROR(answerer_.check_text(input.text));
    BITNETC_RETURN_IF_ERROR(answer(input.text));
    return Next::kGoOn;
  }
  BITNETC_ASSIGN_OR_RETURN(const ChatCommand command, parse_command(input.text));
  if (command.kind == CommandKind::kQuit) return Next::kLeave;
  BITNETC_RETURN_IF_ERROR(obey(command));
  return Next::kGoOn;
}

Status Chat::obey(const ChatCommand& command) {
  switch (command.kind) {
    case CommandKind::kHelp: output_.show(command_help()); return {};
    case CommandKind::kStats: output_.show(statistics()); return {};
    case CommandKind::kReset: reset(); return {};
    case CommandKind::kSystem: return set_system(command.argument);
    case CommandKind::kRegenerate: return regenerate();
    case CommandKind::kSave: return save(file_named(command.argument, setup_.home));
    case CommandKind::kLoad: return load(file_named(command.argument, setup_.home));
    case CommandKind::kQuit: break;
  }
  return {};
}

Status Chat::answer(std::string question) {
  conversation_.turns.push_back({.question = std::move(question)});
  Status status = answer_last();
  if (!status.ok()) conversation_.turns.pop_back();
  return status;
}

// Fills in the last turn.
Status Chat::answer_last() {
  std::vector<ChatMessage> messages = conversation_.messages();
  messages.pop_back();  // the answer itself
  bool has_begun = false;
  const auto write = [&](const ThinkSplit& split) {
    has_begun = true;
    return (split.thought.empty() || output_.write_thought(split.thought)) &&
           (split.answer.empty() || output_.write(split.answer));
  };
  auto answer = answerer_.answer(messages, setup_.settings.sampling.seed + answers_, write, stop_);
  // What a failure broke off stays on a line of its own.
  if (has_begun || answer.ok()) output_.end_answer();
  BITNETC_RETURN_IF_ERROR(answer.status());
  ++answers_;
  last_ = *std::move(answer);
  Turn& turn = conversation_.turns.back();
  turn.answer = last_->said.answer;
  turn.thought = last_->said.thought;
  turn.stop = last_->written.stop_reason;
  report_end(turn.stop);
  if (setup_.shows_statistics) output_.show(statistics());
  return {};
}

void Chat::report_end(StopReason reason) {
  if (reason == StopReason::kInterrupted)
    output_.say("stopped; what is written stays in the conversation (/regenerate: another answer)");
  if (reason == StopReason::kMaxTokens)
    output_.note(fmt::format("the answer was cut after {} tokens, which is the most (-n)",
                             last_->written.ids.size()));
  if (reason == StopReason::kContextFull)
    output_.note(
        fmt::format("the answer was cut: the context is full, {} of {} tokens; /reset "
                    "begins a new conversation",
                    answerer_.tokens(), answerer_.context_tokens()));
}

Status Chat::regenerate() {
  if (conversation_.turns.empty())
    return Status(StatusCode::kInvalidArgument,
                  "/regenerate: nothing was answered yet; type a message first");
  Turn before = conversation_.turns.back();
  Status status = answer_last();
  if (!status.ok()) conversation_.turns.back() = std::move(before);
  return status;
}

void Chat::reset() {
  conversation_.turns.clear();
  output_.say(conversation_.system ? "a new conversation; the system message stays"
                                   : "a new conversation");
}

Status Chat::set_system(const std::string& text) {
  BITNETC_RETURN_IF_ERROR(answerer_.check_text(text));
  conversation_.system = text.empty() ? std::nullopt : std::optional(text);
  const bool has_turns = !conversation_.turns.empty();
  output_.say(fmt::format("{}{}", text.empty() ? "no system message" : "the system message is set",
                          has_turns ? "; the next answer reads the conversation anew" : ""));
  return {};
}

Status Chat::save(const std::string& path) {
  BITNETC_RETURN_IF_ERROR(check_not_an_input("/save", path, setup_.inputs));
  BITNETC_ASSIGN_OR_RETURN(const auto file,
                           OutputFile::create(path, OutputFile::Accepts::kRegularFile));
  const SavedChat saved{
      .conversation = conversation_, .settings = setup_.settings, .answers = answers_};
  BITNETC_RETURN_IF_ERROR(file->write(saved_chat_json(saved, setup_.version)));
  BITNETC_RETURN_IF_ERROR(file->finish());
  const int64_t messages = std::ssize(conversation_.messages());
  output_.say(
      fmt::format("{} message{} saved in {}", messages, plural_s(messages), printable_path(path)));
  return {};
}

Status Chat::load(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(SavedChat saved, read_saved_chat(path));
  conversation_ = std::move(saved.conversation);
  answers_ = saved.answers;
  const std::vector<ChatMessage> messages = conversation_.messages();
  output_.say(fmt::format("{} message{} loaded from {}", messages.size(),
                          plural_s(std::ssize(messages)), printable_path(path)));
  if (!messages.empty())
    output_.say(fmt::format("the last one ({}): {}", messages.back().role,
                            beginning_of(messages.back().content)));
  const std::string other = differences(saved.settings, setup_.settings);
  if (!other.empty())
    output_.note(fmt::format("it was written with another {}; what is set here holds", other));
  return {};
}

std::string Chat::statistics() const {
  std::string lines;
  if (last_) {
    const GenerationResult& written = last_->written;
    lines += fmt::format(
        "prompt      {} tokens: {} reused, {} computed at {:.1f} tokens/s; first token after "
        "{:.1f} "
        "ms\n",
        last_->prompt_tokens, last_->reused_tokens, last_->computed_tokens(),
        rate(last_->computed_tokens(), written.prompt_seconds), written.first_token_seconds * 1e3);
    lines += fmt::format(
        "answer      {} token{} at {:.1f} tokens/s; stopped by {}\n", written.ids.size(),
        plural_s(std::ssize(written.ids)), rate(written.decode_tokens, written.decode_seconds),
        written.stop_reason == StopReason::kInterrupted ? "Ctrl-C"
                                                        : stop_reason_name(written.stop_reason));
    if (written.guessed > 0)
      lines += fmt::format("guessed     {} tokens ahead, {} of them right\n", written.guessed,
                           written.guessed_right);
  }
  const int64_t turns = std::ssize(conversation_.turns);
  return lines + fmt::format("context     {} of {} tokens kept; {} turn{}\n", answerer_.tokens(),
                             answerer_.context_tokens(), turns, plural_s(turns));
}

}  // namespace bitnetc::chat
