// What reaches a terminal: no control characters of models or files, no line wider than it is, few
// notes.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

class TerminalOutput : public CliFixture {
 protected:
  ProcessResult on_terminal(const std::vector<std::string>& arguments, int columns = 80) const {
    return bitnetc_with(arguments, {.terminal_columns = columns});
  }
};

size_t widest_line(const std::string& text) {
  size_t widest = 0;
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text.compare(at, 3, "\033[K") == 0)
      at += 2;
    else
      plain += text[at] == '\r' ? '\n' : text[at];
  }
  std::istringstream lines(plain);
  for (std::string line; std::getline(lines, line);) {
    // A single word, a path or a kernel's name, may be wider than the terminal.
    const size_t word = line.find_first_not_of(' ');
    if (word == std::string::npos || line.find(' ', word) == std::string::npos) continue;
    widest = std::max<size_t>(
        widest, std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  }
  return widest;
}

TEST_F(TerminalOutput, ReportsFitTheWidth) {
  ASSERT_EQ(bitnetc({"run", "-p", "x", "-n", "1", "-q"}).exit_code, 0);
  for (const int columns : {60, 80, 132}) {
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"inspect", "fairytale-6m"},
          {"inspect", "fairytale-6m", "--steps"},
          {"kernel", "list"},
          {"kernel", "show", "matmul_i8_i2s_f32_n256_k256_m1_scale"},
          {"run", "--help"}}) {
      const auto result = on_terminal(command, columns);
      EXPECT_EQ(result.exit_code, 0) << result.out;
      EXPECT_LE(widest_line(result.out), std::max<size_t>(columns, 80)) << result.out;
    }
  }
}

TEST_F(TerminalOutput, TheProgressBarFits) {
  for (const int columns : {30, 60}) {
    const auto result =
        on_terminal({"compile", "fairytale-6m", "-o", folder_.file("x.bnc")}, columns);
    EXPECT_EQ(result.exit_code, 0) << result.out;
    const size_t bars = result.out.find("compiled");
    ASSERT_NE(bars, std::string::npos);
    EXPECT_LT(widest_line(result.out.substr(0, bars)), static_cast<size_t>(columns));
  }
}

TEST_F(TerminalOutput, ControlCharactersAreShownNotSent) {
  const std::string prompt =
      "a\033[31m\007\xc2\x9b"
      "b\tc\xe2\x80\xae";
  const auto shown = on_terminal({"run", "-p", prompt, "-n", "0", "-q"});
  EXPECT_NE(shown.out.find("a\\x1b[31m\\x07\\x9bb\tc\\u202e"), std::string::npos) << shown.out;
  EXPECT_EQ(shown.out.find("\033[31m"), std::string::npos);
  // Through a pipe the bytes of a result stay as they are.
  const auto ids = bitnetc({"tokenize", "--ids", "--no-special", "-p", prompt}).out;
  std::string list = ids.substr(0, ids.size() - 1);
  std::ranges::replace(list, ' ', ',');
  EXPECT_EQ(bitnetc({"tokenize", "--decode", list}).out, prompt + "\n");
  const auto decoded = on_terminal({"tokenize", "--decode", list});
  EXPECT_NE(decoded.out.find("\\x1b[31m"), std::string::npos) << decoded.out;
}

TEST_F(TerminalOutput, MessagesHoldNoControlCharactersAnywhere) {
  const auto result = bitnetc({"run", "/tmp/\033[2Jmodel\n\xff", "-p", "x"});
  EXPECT_EQ(result.err.find('\033'), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("\\x1b[2Jmodel\\n\\xff"), std::string::npos) << result.err;
  const auto long_name = bitnetc({"run", "/tmp/" + std::string(100000, 'm'), "-p", "x"});
  EXPECT_LT(long_name.err.size(), 2000U);
}

TEST_F(TerminalOutput, NotesAreShortAndQuietIsQuiet) {
  const std::vector<std::string> run = {"run", "-p", "x", "-n", "2"};
  std::vector<std::string> quiet = run;
  quiet.emplace_back("-q");
  EXPECT_EQ(bitnetc(quiet, {{"BITNETC_ISA", "scalar"}}).err, "");  // compiles, falls back
  EXPECT_EQ(bitnetc({"compile", "fairytale-6m", "-q", "-o", folder_.file("x.bnc")}).err, "");
  const auto normal = bitnetc(run, {{"BITNETC_ISA", "scalar"}, {"BITNETC_JIT", "off"}});
  std::istringstream lines(normal.err);
  int fallbacks = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 300U) << line;
    fallbacks += line.find("reference kernel") != std::string::npos;
  }
  EXPECT_LE(fallbacks, 1) << normal.err;
  std::vector<std::string> verbose = run;
  verbose.emplace_back("-v");
  const auto all = bitnetc(verbose, {{"BITNETC_ISA", "scalar"}, {"BITNETC_JIT", "off"}});
  EXPECT_GT(all.err.size(), normal.err.size());
}

}  // namespace
}  // namespace bitnetc::test
