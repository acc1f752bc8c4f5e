// bitnetc chat: a conversation with a model, on a terminal or through a pipe.
#include <unistd.h>

#include <memory>
#include <utility>

#include "runtime/printable.h"
#include "tools/bitnetc/chat_prompt.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/generation_options.h"
#include "tools/bitnetc/terminal.h"
#include "tools/bitnetc/text_input.h"
#include "tools/chat/chat.h"
#include "tools/chat/line_history.h"
#include "tools/chat/line_reader.h"
#include "tools/engine/fingerprint.h"

namespace bitnetc {
namespace {

constexpr char kPrompt[] = "> ", kMorePrompt[] = "... ";

struct ChatCommandOptions {
  std::string model, template_file;
  std::optional<std::string> system;
  std::string system_file;  // that it was read from
  int max_tokens = std::numeric_limits<int>::max();
  bool no_history = false;
  GenerationOptions generation;
};

// Answers to stdout, everything else to stderr. Thoughts are for whoever looks on: faint, and not
// in a pipe.
class ConsoleChat final : public chat::ChatOutput {
 public:
  explicit ConsoleChat(bool is_interactive) : is_interactive_(is_interactive) {}

  bool write(std::string_view text) override {
    if (std::exchange(is_thinking_, false)) write_text_out("\n\n");
    write_text_out(text);
    return output_failure().ok();
  }
  bool write_thought(std::string_view text) override {
    if (!stdout_is_terminal()) return true;
    is_thinking_ = true;
    write_faint(text);
    return output_failure().ok();
  }
  void end_answer() override {
    is_thinking_ = false;
    write_text_out("\n");
    flush_out();
  }
  void show(const std::string& lines) override { write_fitted_message(lines); }
  void say(const std::string& sentence) override {
    if (verbosity() != Verbosity::kQuiet && is_interactive_) write_fitted_message(sentence + "\n");
  }
  void note(const std::string& sentence) override {
    if (verbosity() != Verbosity::kQuiet) write_fitted_message("note: " + sentence + "\n");
  }

 private:
  const bool is_interactive_;
  bool is_thinking_ = false;
};

// The terminal that prompts and lines are shown on; -1: neither stderr nor stdout is one.
int editing_terminal() {
  if (stderr_is_terminal()) return STDERR_FILENO;
  return stdout_is_terminal() ? STDOUT_FILENO : -1;
}

// What is typed on a terminal, with the history of earlier chats, or what comes through a pipe.
class TypedLines {
 public:
  TypedLines(const ChatCommandOptions& options, CommandContext& context)
      : is_interactive_(::isatty(STDIN_FILENO) == 1 && editing_terminal() >= 0) {
    const chat::ReadStop stop{.stop = &part_stop(), .wake_fd = signal_wake_fd()};
    if (!is_interactive_) {
      reader_ = chat::make_plain_reader(STDIN_FILENO, -1, stop);
      return;
    }
    keep_terminal(STDIN_FILENO);
    if (!options.no_history) open_history(context.options.state_dir);
    auto editor = chat::make_line_editor(STDIN_FILENO, editing_terminal(), stop,
                                         history_ ? history_->lines() : std::vector<std::string>());
    if (!editor.ok()) print_note(editor.status().message());
    reader_ = editor.ok() ? *std::move(editor)
                          : chat::make_plain_reader(STDIN_FILENO, editing_terminal(), stop);
  }

  bool is_interactive() const { return is_interactive_; }

  Result<chat::TypedLine> read(const char* prompt) {
    while (true) {
      flush_out();
      BITNETC_ASSIGN_OR_RETURN(chat::TypedLine line, reader_->read(prompt));
      const bool is_kept = line.kind == chat::TypedLine::Kind::kLine &&
                           line.text.find_first_not_of(" \t") != line.text.npos;
      if (is_interactive_ && is_kept) remember(line.text);
      if (!line.has_wrong_bytes) return line;
      write_fitted_message(
          "bitnetc: bytes of this line are not valid UTF-8, U+FFFD stands for them; it is not "
          "sent, and cursor up offers it again\n");
    }
  }

 private:
  void open_history(const std::string& state_dir) {
    auto history = chat::LineHistory::open(state_dir);
    if (history.ok())
      history_ = *std::move(history);
    else
      give_up_history(history.status());
  }
  void remember(const std::string& line) {
    reader_->remember(line);
    if (!history_) return;
    if (const Status added = history_->add(line); !added.ok()) give_up_history(added);
  }
  void give_up_history(const Status& status) {
    print_note("lines are remembered for this chat only: " + status.message());
    history_.reset();
  }

  const bool is_interactive_;
  std::optional<chat::LineHistory> history_;
  std::unique_ptr<chat::LineReader> reader_;
};

// On a terminal what fails is said and the chat goes on; a script ends with it, for what follows
// was meant for a conversation that is not there.
Result<chat::Next> take_input(chat::Chat& chat, const chat::ChatInput& input, bool is_interactive) {
  part_stop().store(false);
  auto next = chat.take(input);
  part_stop().store(false);
  BITNETC_RETURN_IF_ERROR(output_failure());
  if (next.ok() || !is_interactive) return next;
  write_fitted_message(
      fmt::format("bitnetc: {}\n", shown_on_a_line(next.status().message(), 1200)));
  return chat::Next::kGoOn;
}

// The exit code.
Result<int> hold_chat(chat::Chat& chat, TypedLines& typed) {
  chat::InputLines lines;
  int stops = 0;  // in a row
  while (true) {
    BITNETC_ASSIGN_OR_RETURN(const chat::TypedLine line,
                             typed.read(lines.is_open() ? kMorePrompt : kPrompt));
    if (is_interrupted()) return kExitInterrupted;
    std::optional<chat::ChatInput> input;
    if (line.kind == chat::TypedLine::Kind::kStopped) {
      if (!typed.is_interactive()) return kExitInterrupted;
      if (!line.text.empty() || lines.is_open()) stops = 0;
      if (++stops == 2) return kExitOk;
      lines.clear();
      if (line.text.empty() && verbosity() != Verbosity::kQuiet)
        write_fitted_message("Ctrl-C again, or Ctrl-D, leaves\n");
      continue;
    }
    stops = 0;
    const bool is_last = line.kind == chat::TypedLine::Kind::kEnd;
    if (is_last && typed.is_interactive()) return kExitOk;
    if (is_last) {
      BITNETC_ASSIGN_OR_RETURN(input, lines.finish());
    } else {
      input = lines.add(line.text);
    }
    if (input) {
      BITNETC_ASSIGN_OR_RETURN(const chat::Next next,
                               take_input(chat, *input, typed.is_interactive()));
      if (is_interrupted()) return kExitInterrupted;
      if (next == chat::Next::kLeave) return kExitOk;
    }
    if (is_last) return kExitOk;
  }
}

// "@FILE" is the text of a file.
Status read_system(ChatCommandOptions& options) {
  std::optional<std::string>& system = options.system;
  if (!system || !system->starts_with('@')) return {};
  options.system_file = system->substr(1);
  BITNETC_ASSIGN_OR_RETURN(std::string text, read_text(options.system_file));
  text = without_byte_order_mark(std::move(text));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  system = std::move(text);
  return {};
}

Result<GenerationRequest> make_answers(const ChatCommandOptions& options, const Engine& engine,
                                       const ChatTemplate& chat_template) {
  const GenerationOptions& generation = options.generation;
  const GenerationDefaults& defaults = engine.model->description().generation;
  GenerationRequest request{.max_tokens = options.max_tokens,
                            .stop_strings = generation.stop_strings,
                            .most_drafts = generation.most_drafts};
  BITNETC_ASSIGN_OR_RETURN(request.sampling, sampling_params(generation.sampling, defaults));
  if (!generation.ignore_eos) {
    request.stop_ids = defaults.stop_ids;
    if (const auto end = chat_template.end_of_answer(*engine.tokenizer))
      request.stop_ids.push_back(*end);
  }
  note_unsupported(defaults);
  return request;
}

// Files that the chat reads.
std::vector<std::string> inputs_of(const ChatCommandOptions& options, CommandContext& context) {
  std::vector<std::string> files = {options.template_file, options.system_file,
                                    options.generation.grammar.grammar_file,
                                    options.generation.grammar.schema_file};
  std::erase(files, "");
  if (const auto location = locate_model(options.model, context.settings().program_dir);
      location.ok())
    for (std::string& file : model_files(*location)) files.push_back(std::move(file));
  return files;
}

void greet(const ChatCommandOptions& options, const Session& session) {
  if (verbosity() == Verbosity::kQuiet) return;
  write_fitted_message(
      fmt::format("{}, a context of {} tokens. /help lists what can be typed; Ctrl-D leaves.\n",
                  options.model.empty() ? kBundledModel : printable_path(options.model),
                  session.context_tokens()));
}

Result<int> chat_with_model(ChatCommandOptions& options, CommandContext& context) {
  const GenerationOptions& generation = options.generation;
  BITNETC_RETURN_IF_ERROR(check_generation_options(generation));
  BITNETC_ASSIGN_OR_RETURN(const Grammar::Ptr grammar, read_grammar(generation.grammar));
  BITNETC_RETURN_IF_ERROR(locate_model(options.model, context.settings().program_dir).status());
  BITNETC_RETURN_IF_ERROR(read_system(options));
  place_memory(generation.memory);
  const EngineOptions how = engine_options(generation, context);
  BITNETC_ASSIGN_OR_RETURN(const Engine engine, make_engine(options.model, how));
  BITNETC_RETURN_IF_ERROR(expect_output(engine, ModelOutput::kLogits, options.model));
  BITNETC_ASSIGN_OR_RETURN(
      const OpenedTemplate opened,
      open_chat_template(options.template_file, options.model, engine,
                         context.settings().program_dir,
                         "let the model go on with a text: bitnetc run -p TEXT"));
  BITNETC_ASSIGN_OR_RETURN(GenerationRequest answers,
                           make_answers(options, engine, *opened.chat_template));
  BITNETC_ASSIGN_OR_RETURN(answers.sampling.filter, make_filter(grammar, engine, answers.stop_ids));
  BITNETC_ASSIGN_OR_RETURN(const auto session, make_session(generation, engine, context));
  BITNETC_RETURN_IF_ERROR(expect_memory(engine, session->context_tokens(), how));

  interrupt_parts();
  TypedLines typed(options, context);
  ConsoleChat output(typed.is_interactive());
  chat::ChatSetup setup{.settings = {.model = engine.model->file().origin(),
                                     .fingerprint = answer_fingerprint(engine, opened.source),
                                     .sampling = answers.sampling},
                        .system = options.system,
                        .inputs = inputs_of(options, context),
                        .home = context.options.home_dir,
                        .version = BITNETC_VERSION,
                        .shows_statistics = verbosity() == Verbosity::kVerbose};
  chat::Answerer answerer(*session, *engine.tokenizer, *opened.chat_template, std::move(answers));
  if (options.system)
    BITNETC_RETURN_IF_ERROR(answerer.check_text(*options.system).with_context("--system"));
  chat::Chat chat(answerer, std::move(setup), output, part_stop());
  if (typed.is_interactive()) greet(options, *session);
  auto exit_code = hold_chat(chat, typed);
  note_unlocked_pages(*session);
  return exit_code;
}

}  // namespace

void add_chat_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<ChatCommandOptions>();
  Command command = parent.subcommand("chat", "Talk with a model");
  command.set_footer(
      "Needs a model with a chat template, or --chat-template FILE: the bundled model\n"
      "has none. docs/chat.md names a plain one, and so does 'bitnetc chat' without.\n"
      "Examples:\n"
      "  bitnetc chat ~/models/bitnet-b1.58-2B-4T\n"
      "  bitnetc chat model.bnc --system \"Be brief.\" --temp 0.7 --seed random\n"
      "  printf 'Why is it blue?\\n/quit\\n' | bitnetc chat model.bnc\n"
      "/help lists what can be typed besides messages.");
  command.text(
      "MODEL", options->model, "MODEL",
      fmt::format(".bnc or .gguf file, model folder or bundled name (default: {}, which needs "
                  "--chat-template)",
                  kBundledModel));
  command.maybe_empty_text("--system", options->system, "TEXT|@FILE",
                           "Begin with this system message");
  command.text("--chat-template", options->template_file, "FILE",
               "Use this Jinja template instead of the model's");
  command.integer("-n,--predict", options->max_tokens, kCountRange,
                  "Most tokens of an answer (default: until it ends or the context is full)");
  add_generation_options(command, options->generation);
  command.flag("--no-history", options->no_history,
               "Neither read nor write the history of typed lines");
  command.verbosity_flags(true, "Say after every answer what it took, and which kernels run");
  command.set_action([options, &context] { return chat_with_model(*options, context); });
}

}  // namespace bitnetc
