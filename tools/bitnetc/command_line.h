// The command line: sub-commands and their options, with strict values. The only user of CLI11.
//
// An option is bound to a variable that outlives the parsing. A value that is empty, malformed or
// out of range, an option given twice, an unknown one: wrong use, said in one line that names the
// option as it was typed and what was expected, with the nearest name for a misspelt one.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "runtime/status.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace bitnetc {

template <typename T>
struct ValueOf {
  using Type = T;
};
template <typename T>
struct ValueOf<std::optional<T>> {
  using Type = T;
};
template <typename T>
struct ValueOf<std::vector<T>> {
  using Type = T;
};

struct IntegerRange {
  int64_t least, most;
};
struct DecimalRange {
  double least, most;
  const char* expected;      // in words: "a number from 0 to 1"
  bool above_least = false;  // `least` itself is not allowed
};

// A whole number in decimal digits, without leading zeros or anything else around it; a number
// likewise, not nan and not infinite. Error: kInvalidArgument: "<option> '<text>': expected ...".
Result<int64_t> parse_integer(const std::string& option, std::string_view text, IntegerRange range);
Result<double> parse_number(const std::string& option, std::string_view text, DecimalRange range);

class CommandLine;

// One command, or one with sub-commands. A handle; copies are the same command.
class Command {
 public:
  using Action = std::function<Result<int>()>;  // gives the exit code

  // Of a command that has an action already: it may be left out, and then that is run.
  Command subcommand(const char* name, const char* summary);
  void set_footer(std::string footer);  // examples
  void set_action(Action action);

  // `names`: "-n,--predict", or "MODEL" for an argument by position. `help` says the default.
  void flag(const char* names, bool& value, const char* help);
  void verbosity_flags(bool quiet, const char* verbose_help);  // -q and -v; null: no -v
  void json_flag(bool& value);
  // Not empty.
  void text(const char* names, std::string& value, const char* placeholder,
            const std::string& help);
  void maybe_empty_text(const char* names, std::optional<std::string>& value,
                        const char* placeholder, const std::string& help);
  void repeated_text(const char* names, std::vector<std::string>& values, const char* placeholder,
                     const std::string& help, bool may_be_empty = false);
  void choice(const char* names, std::vector<std::string> choices, const char* help,
              std::function<void(const std::string&)> store);
  // Separated by commas; `values` holds the default.
  void list(const char* names, std::vector<std::string>& values, const char* placeholder,
            const char* help);
  // T: an integer type or an optional one; a vector takes a list separated by commas.
  template <typename T>
  void integer(const char* names, T& value, IntegerRange range, const char* help) {
    using Type = typename ValueOf<T>::Type;
    constexpr bool kIsList = std::is_same_v<T, std::vector<Type>>;
    integers(names, kIsList, range, help, [&value](int64_t number) {
      if constexpr (kIsList)
        value.push_back(static_cast<Type>(number));
      else
        value = static_cast<Type>(number);
    });
  }
  // T: double or an optional one.
  template <typename T>
  void number(const char* names, T& value, DecimalRange range, const char* help) {
    numbers(names, range, help, [&value](double each) { value = each; });
  }
  void require(const char* name);  // an option or argument that must be given

 private:
  friend class CommandLine;
  struct Shared;
  // Called with the option as typed and the values of all times it was given.
  using Take = std::function<Status(const std::string&, const std::vector<std::string>&)>;

  Command(CLI::App* app, Shared* shared) : app_(app), shared_(shared) {}
  CLI::Option* valued(const char* names, const char* placeholder, const std::string& help,
                      Take take);
  void integers(const char* names, bool is_list, IntegerRange range, const char* help,
                std::function<void(int64_t)> store);
  void numbers(const char* names, DecimalRange range, const char* help,
               std::function<void(double)> store);

  CLI::App* app_;
  Shared* shared_;
};

class CommandLine {
 public:
  explicit CommandLine(const char* summary);
  ~CommandLine();
  Command root();

  // What was asked for: a command's action, or the printing of a help text or of `version`.
  // Error: kInvalidArgument.
  Result<Command::Action> parse(int argc, char** argv, const std::function<std::string()>& version);
  // Whether --json was given, also when the rest could not be read.
  bool wants_json() const;

 private:
  std::unique_ptr<Command::Shared> shared_;
  std::unique_ptr<CLI::App> app_;
};

}  // namespace bitnetc
