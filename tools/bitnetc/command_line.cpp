#include "tools/bitnetc/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "tools/bitnetc/console.h"
#include "tools/bitnetc/terminal.h"
#include "tools/engine/spelling.h"

namespace bitnetc {
namespace {

// Through CLI11 back to parse().
struct WrongUse {
  Status status;
};

std::string in_quotes(std::string_view text) {
  return fmt::format("'{}'", shown_on_a_line(text, 48));
}

template <typename T>
Result<T> parse_whole(std::string_view text, auto... format) {
  T value = {};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value, format...);
  if (text.empty() || error != std::errc() || stopped != end)
    return Status(StatusCode::kInvalidArgument, "not a number");
  return value;
}

bool has_leading_zero(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0';
}

std::vector<std::string> split_at_commas(const std::vector<std::string>& values) {
  std::vector<std::string> parts;
  for (const std::string& value : values)
    for (const std::string& part : CLI::detail::split(value, ',')) parts.push_back(part);
  return parts;
}

Status expect_once(const std::string& option, const std::vector<std::string>& values) {
  if (values.size() == 1) return {};
  return make_error(StatusCode::kInvalidArgument, "{} is given {} times; expected once", option,
                    values.size());
}

Status expect_text(const std::string& option, const std::string& value) {
  if (!value.empty()) return {};
  return make_error(StatusCode::kInvalidArgument, "{} '': expected some text", option);
}

// "-p, --prompt"
std::string spelled(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true, false);
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return fmt::format("{}", fmt::join(names, ", "));
}

// The command that the arguments lead to, and its words.
struct Reached {
  const CLI::App* app;
  std::string path;  // "kernel bench"; empty for the program itself
};

Reached reached_command(const CLI::App& root) {
  Reached reached{.app = &root, .path = {}};
  while (!reached.app->get_subcommands().empty()) {
    reached.app = reached.app->get_subcommands().front();
    reached.path += (reached.path.empty() ? "" : " ") + reached.app->get_name();
  }
  return reached;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(each->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// Options that commands, and other programs, call differently.
const std::vector<std::string> kSameOptions[] = {
    {"--context", "--ctx", "--ctx-size", "--context-size"},
    {"--predict", "--n-predict", "--max-tokens"},
    {"--temp", "--temperature"},
};

// The one of `names` that means the same as `word`, else the nearest one; empty: there is none.
std::string name_meant_by(const std::string& word, const std::vector<std::string>& names) {
  for (const std::vector<std::string>& same : kSameOptions) {
    if (std::ranges::find(same, word) == same.end()) continue;
    const auto here = std::ranges::find_first_of(names, same);
    if (here != names.end()) return *here;
  }
  return nearest_word(word, names);
}

std::string suggestion(const std::string& word, const std::vector<std::string>& names) {
  const std::string nearest = name_meant_by(word, names);
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

// What is wrong with words that no option or argument took; ok: there are none.
Status unknown_words(const CLI::App& root) {
  const std::vector<std::string> words = root.remaining(/*recurse=*/true);
  if (words.empty()) return {};
  const Reached reached = reached_command(root);
  const std::string help = fmt::format(" ('bitnetc {}{}--help' lists them)", reached.path,
                                       reached.path.empty() ? "" : " ");
  const std::string& word = words.front();
  if (word.size() > 1 && word[0] == '-') {
    const std::string name = word.substr(0, word.find('='));
    return make_error(StatusCode::kInvalidArgument, "unknown option {}{}{}", in_quotes(name),
                      suggestion(name, option_names(*reached.app)), help);
  }
  const std::vector<std::string> commands = command_names(*reached.app);
  if (commands.empty())
    return make_error(StatusCode::kInvalidArgument, "{} is one argument too many for 'bitnetc {}'",
                      in_quotes(word), reached.path);
  return make_error(StatusCode::kInvalidArgument, "unknown command {}{}{}", in_quotes(word),
                    suggestion(word, commands), help);
}

class HelpText {
 public:
  HelpText(const CLI::App& app, const std::string& path) {
    std::string usage = "Usage: bitnetc" + (path.empty() ? "" : " " + path);
    const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
    if (!commands.empty())
      usage += app.get_require_subcommand_min() > 0 ? " COMMAND" : " [COMMAND]";
    for (const CLI::Option* option : app.get_options())
      if (option->get_positional()) {
        const std::string name = spelled(*option) + (option->get_expected_max() > 1 ? "..." : "");
        usage += option->get_required() ? " " + name : fmt::format(" [{}]", name);
      }
    text_ += fmt::format("{} [OPTIONS]\n\n{}\n", usage, app.get_description());
    text_ = fit(text_, kHelpColumns);
    add_section("Arguments", app, [](const CLI::Option& each) { return each.get_positional(); });
    if (!commands.empty()) text_ += "\nCommands:\n";
    for (const CLI::App* each : commands) add_row(each->get_name(), each->get_description());
    add_section("Options", app, [](const CLI::Option& each) { return !each.get_positional(); });
    if (!app.get_footer().empty()) text_ += "\n" + app.get_footer() + "\n";
  }
  const std::string& text() const { return text_; }

 private:
  void add_section(const char* title, const CLI::App& app, auto belongs) {
    bool is_first = true;
    for (const CLI::Option* option : app.get_options()) {
      if (!belongs(*option)) continue;
      if (std::exchange(is_first, false)) text_ += fmt::format("\n{}:\n", title);
      const std::string placeholder =
          option->get_positional() ? std::string() : option->get_type_name();
      add_row(spelled(*option) + (placeholder.empty() ? "" : " " + placeholder),
              option->get_description());
    }
  }

  static constexpr int kHelpColumns = 80;

  // The meaning stands beside what it explains, or below where that is long.
  void add_row(const std::string& what, const std::string& meaning) {
    constexpr int kColumn = 26;
    const std::string indent(kColumn, ' ');
    const bool is_short = what.size() + 4 <= static_cast<size_t>(kColumn);
    text_ += is_short ? fmt::format("  {:<{}}", what, kColumn - 2)
                      : fmt::format("  {}\n{}", what, indent);
    std::string block = fit(meaning, kHelpColumns - kColumn);
    for (size_t at = 0; (at = block.find("\n    ", at)) != block.npos; at += indent.size())
      block.replace(at + 1, 4, indent);  // fit() indents what it breaks by four
    text_ += block + "\n";
  }

  std::string text_;
};

}  // namespace

Result<int64_t> parse_integer(const std::string& option, std::string_view text,
                              IntegerRange range) {
  auto value = parse_whole<int64_t>(text);
  if (!value.ok() || *value < range.least || *value > range.most || has_leading_zero(text)) {
    const std::string expected = range.most >= std::numeric_limits<int>::max()
                                     ? fmt::format("{} or more", range.least)
                                     : fmt::format("from {} to {}", range.least, range.most);
    return make_error(StatusCode::kInvalidArgument, "{} {}: expected a whole number, {}", option,
                      in_quotes(text), expected);
  }
  return value;
}

Result<double> parse_number(const std::string& option, std::string_view text, DecimalRange range) {
  auto value = parse_whole<double>(text, std::chars_format::general);
  const bool is_inside = value.ok() && std::isfinite(*value) && *value <= range.most &&
                         (range.above_least ? *value > range.least : *value >= range.least);
  if (!is_inside)
    return make_error(StatusCode::kInvalidArgument, "{} {}: expected {}", option, in_quotes(text),
                      range.expected);
  return value;
}

struct Command::Shared {
  std::vector<std::string> arguments;
  std::map<const CLI::App*, Action> actions;
  bool json = false, quiet = false, verbose = false;

  // Which of its names an option was typed with: the last one.
  std::string typed_name(const CLI::Option& option) const {
    std::string name = spelled(option);
    for (const std::string& argument : arguments) {
      if (argument == "--") break;
      for (const std::string& each : option.get_snames())
        if (argument.starts_with("-" + each)) name = "-" + each;
      for (const std::string& each : option.get_lnames())
        if (argument.substr(0, argument.find('=')) == "--" + each) name = "--" + each;
    }
    return name;
  }
};

Command Command::subcommand(const char* name, const char* summary) {
  const bool does_something = shared_->actions.contains(app_);
  if (!does_something && (app_->get_require_subcommand_max() == 0 || app_->get_parent() != nullptr))
    app_->require_subcommand(1);
  return {app_->add_subcommand(name, summary), shared_};
}

void Command::set_footer(std::string footer) {
  app_->footer(std::move(footer));
}

void Command::set_action(Action action) {
  shared_->actions[app_] = std::move(action);
}

void Command::flag(const char* names, bool& value, const char* help) {
  app_->add_flag(names, value, help);
}

void Command::verbosity_flags(bool quiet, const char* verbose_help) {
  if (quiet) app_->add_flag("-q,--quiet", shared_->quiet, "Only results and errors");
  if (verbose_help != nullptr) app_->add_flag("-v,--verbose", shared_->verbose, verbose_help);
}

void Command::json_flag(bool& value) {
  app_->add_flag("--json", value, "One JSON document on stdout, also for an error (docs/json.md)");
}

CLI::Option* Command::valued(const char* names, const char* placeholder, const std::string& help,
                             Take take) {
  const auto option = std::make_shared<CLI::Option*>(nullptr);
  *option = app_->add_option(
      names,
      [option, shared = shared_, take = std::move(take)](const CLI::results_t& values) {
        if (Status status = take(shared->typed_name(**option), values); !status.ok())
          throw WrongUse{std::move(status)};
        return true;
      },
      help);
  return (*option)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->type_name(placeholder);
}

void Command::text(const char* names, std::string& value, const char* placeholder,
                   const std::string& help) {
  valued(names, placeholder, help, [&value](const std::string& option, const auto& values) {
    BITNETC_RETURN_IF_ERROR(expect_once(option, values));
    value = values.front();
    return expect_text(option, value);
  });
}

void Command::maybe_empty_text(const char* names, std::optional<std::string>& value,
                               const char* placeholder, const std::string& help) {
  valued(names, placeholder, help, [&value](const std::string& option, const auto& values) {
    value = values.front();
    return expect_once(option, values);
  });
}

void Command::repeated_text(const char* names, std::vector<std::string>& values,
                            const char* placeholder, const std::string& help, bool may_be_empty) {
  CLI::Option* option =
      valued(names, placeholder, help,
             [&values, may_be_empty](const std::string& typed, const auto& given) {
               for (const std::string& each : given)
                 if (!may_be_empty) BITNETC_RETURN_IF_ERROR(expect_text(typed, each));
               values = given;
               return Status();
             });
  if (option->get_positional()) option->expected(CLI::detail::expected_max_vector_size);
}

void Command::choice(const char* names, std::vector<std::string> choices, const char* help,
                     std::function<void(const std::string&)> store) {
  valued(names, "WORD", fmt::format("{}: {}", help, fmt::join(choices, ", ")),
         [choices, store = std::move(store)](const std::string& option, const auto& values) {
           BITNETC_RETURN_IF_ERROR(expect_once(option, values));
           const std::string& value = values.front();
           if (std::ranges::find(choices, value) == choices.end())
             return make_error(StatusCode::kInvalidArgument, "{} {}: expected one of {}{}", option,
                               in_quotes(value), fmt::join(choices, ", "),
                               suggestion(value, choices));
           store(value);
           return Status();
         });
}

void Command::list(const char* names, std::vector<std::string>& values, const char* placeholder,
                   const char* help) {
  valued(names, placeholder, help, [&values](const std::string& option, const auto& given) {
    values = split_at_commas(given);
    for (const std::string& each : values) BITNETC_RETURN_IF_ERROR(expect_text(option, each));
    return Status();
  });
}

void Command::integers(const char* names, bool is_list, IntegerRange range, const char* help,
                       std::function<void(int64_t)> store) {
  valued(names, is_list ? "N,..." : "N", help,
         [is_list, range, store = std::move(store)](const std::string& option, const auto& given) {
           if (!is_list) BITNETC_RETURN_IF_ERROR(expect_once(option, given));
           for (const std::string& each : is_list ? split_at_commas(given) : given) {
             BITNETC_ASSIGN_OR_RETURN(const int64_t value, parse_integer(option, each, range));
             store(value);
           }
           return Status();
         });
}

void Command::numbers(const char* names, DecimalRange range, const char* help,
                      std::function<void(double)> store) {
  valued(names, "X", help,
         [range, store = std::move(store)](const std::string& option, const auto& given) {
           BITNETC_RETURN_IF_ERROR(expect_once(option, given));
           BITNETC_ASSIGN_OR_RETURN(const double value, parse_number(option, given.front(), range));
           store(value);
           return Status();
         });
}

void Command::require(const char* name) {
  app_->get_option(name)->required();
}

CommandLine::CommandLine(const char* summary)
    : shared_(std::make_unique<Command::Shared>()), app_(std::make_unique<CLI::App>(summary)) {
  app_->set_help_flag("-h,--help", "This text");
}

CommandLine::~CommandLine() = default;

Command CommandLine::root() {
  return {app_.get(), shared_.get()};
}

Result<Command::Action> CommandLine::parse(int argc, char** argv,
                                           const std::function<std::string()>& version) {
  shared_->arguments.assign(argv + std::min(argc, 1), argv + argc);
  bool wants_version = false;
  app_->add_flag("--version", wants_version, "The version, and what is in this build");
  const auto wrong = [](const std::string& message) {
    return Status(StatusCode::kInvalidArgument, message);
  };
  const auto printing = [](std::string text) {
    return Command::Action([text = std::move(text)] {
      write_report(text);
      return 0;
    });
  };
  try {
    app_->parse(argc, argv);
  } catch (const WrongUse& use) {
    return use.status;
  } catch (const CLI::CallForHelp&) {
    const Reached reached = reached_command(*app_);
    return printing(HelpText(*reached.app, reached.path).text());
  } catch (const CLI::ParseError& error) {
    if (wants_version) return printing(version());
    const Reached reached = reached_command(*app_);
    if (const Status unknown = unknown_words(*app_); !unknown.ok()) return unknown;
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr)  // the words have run out
      return wrong(in_quotes(shared_->arguments.back()) + ": expected a value behind it");
    const std::vector<std::string> commands = command_names(*reached.app);
    if (!commands.empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr)
      return wrong(fmt::format("expected a command behind 'bitnetc{}{}': {}",
                               reached.path.empty() ? "" : " ", reached.path,
                               fmt::join(commands, ", ")));
    return wrong(shown_on_a_line(error.what(), 200));
  }
  if (wants_version) return printing(version());
  if (shared_->quiet) set_verbosity(Verbosity::kQuiet);
  if (shared_->verbose) set_verbosity(Verbosity::kVerbose);
  if (shared_->quiet && shared_->verbose) return wrong("-q and -v: expected one of them");
  const Reached reached = reached_command(*app_);
  // A command that also has sub-commands keeps its options to itself.
  if (const CLI::App* parent = reached.app->get_parent();
      parent != nullptr && shared_->actions.contains(parent))
    for (const CLI::Option* option : parent->get_options())
      if (option->count() > 0)
        return wrong(fmt::format("{} in front of '{}': options of 'bitnetc {}' stand behind it",
                                 spelled(*option), reached.app->get_name(), reached.path));
  return shared_->actions.at(reached.app);
}

bool CommandLine::wants_json() const {
  return std::ranges::find(shared_->arguments, "--json") != shared_->arguments.end();
}

}  // namespace bitnetc
