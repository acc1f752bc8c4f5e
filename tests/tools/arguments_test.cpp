// Wrong use of the command line: exit code 2 and one line that names what was typed and what was
// expected.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

constexpr int kUsage = 2;

class Arguments : public CliFixture {
 protected:
  void expect_wrong(const std::vector<std::string>& arguments, const std::string& expected) {
    const auto result = bitnetc(arguments);
    std::string typed;
    for (const std::string& each : arguments) typed += " " + each;
    EXPECT_EQ(result.exit_code, kUsage) << typed;
    EXPECT_EQ(result.out, "") << typed;
    EXPECT_NE(result.err.find(expected), std::string::npos) << typed << "\n" << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_LT(result.err.size(), 400U) << result.err;
  }
};

TEST_F(Arguments, NumbersAreWholeDecimalAndInRange) {
  for (const char* option : {"-n", "--predict", "--top-k", "--repeat-last-n", "--seed", "-t",
                             "--threads", "-c", "--temp", "--top-p", "--min-p", "--repeat-penalty"})
    for (const std::string value :
         {"", "-1", "abc", "nan", "inf", "-inf", "0x10", "1 ", " 1", "1e999", "+1"})
      expect_wrong({"run", "-p", "x", option, value}, std::string(option) + " '" + value + "'");
  for (const char* option : {"-n", "--top-k", "--seed", "-t", "-c"})
    for (const std::string value : {"010", "1.5", "1e3"})
      expect_wrong({"run", "-p", "x", option, value}, std::string(option) + " '" + value + "'");
  expect_wrong({"run", "-p", "x", "-n", std::string(400, '9')}, "bytes left out");
  expect_wrong({"run", "-p", "x", "-t", "5000"}, "-t '5000': expected a whole number, from 1 to");
  expect_wrong({"run", "-p", "x", "-c", "0"}, "-c '0'");
  expect_wrong({"run", "-p", "x", "--top-p", "0"}, "--top-p '0'");
  expect_wrong({"run", "-p", "x", "--predict=abc"}, "--predict 'abc'");
  expect_wrong({"kernel", "bench", "--budget", "nan"}, "--budget 'nan'");
  expect_wrong({"kernel", "bench", "--budget", "0"}, "--budget '0'");
  expect_wrong({"kernel", "bench", "--m", "1,,2"}, "--m ''");
  expect_wrong({"kernel", "check", "--seeds", "0"}, "--seeds '0'");
  expect_wrong({"autotune", "--shapes", "16x64", "--budget", "nan"}, "--budget 'nan'");
  expect_wrong({"tokenize", "--decode", ""}, "--decode ''");
  expect_wrong({"tokenize", "--decode", "1,-2"}, "--decode '-2'");
}

TEST_F(Arguments, NumbersAtTheEdgeOfTheirRange) {
  for (const auto& [option, value] :
       std::vector<std::pair<const char*, const char*>>{{"--temp", "0"},
                                                        {"--temp", "1e30"},
                                                        {"--top-k", "99999999"},
                                                        {"--top-p", "1"},
                                                        {"--min-p", "1"},
                                                        {"--repeat-penalty", "1e38"},
                                                        {"--repeat-last-n", "0"},
                                                        {"--seed", "18446744073709551615"},
                                                        {"-c", "1024"},
                                                        {"--repeat-last-n", "2147483647"}}) {
    const auto result = bitnetc({"run", "-p", "x", "-n", "1", "-q", option, value});
    EXPECT_EQ(result.exit_code, 0) << option << value << result.err;
  }
}

TEST_F(Arguments, OptionsThatExcludeEachOtherAreBothNamed) {
  expect_wrong({"run", "-p", "a", "-f", "/dev/null"}, "-p and -f");
  expect_wrong({"run", "-p", "a", "--greedy", "--temp", "1"}, "--greedy and --temp 1");
  expect_wrong({"tokenize", "--decode", "1", "-p", "x"}, "--decode and -p");
  expect_wrong({"autotune", "--import", "a", "--export", "b"}, "--import and --export");
  expect_wrong({"run", "-p", "x", "-q", "-v"}, "-q and -v");
  EXPECT_EQ(bitnetc({"run", "-p", "a", "-n", "1", "--greedy", "--temp", "0"}).exit_code, 0);
}

TEST_F(Arguments, EmptyTexts) {
  expect_wrong({"run", "-p", "x", "--stop", ""}, "--stop ''");
  expect_wrong({"run", "-f", ""}, "-f ''");
  expect_wrong({"run", "-p", "x", "--logits", ""}, "--logits ''");
  EXPECT_EQ(bitnetc({"run", "-p", "", "-n", "1"}).exit_code, 0);  // begin-of-text alone
}

TEST_F(Arguments, UnknownNamesGetASuggestion) {
  expect_wrong({"rnu"}, "unknown command 'rnu'; did you mean run?");
  expect_wrong({"doctro"}, "did you mean doctor?");
  expect_wrong({"cache", "verfy"}, "did you mean verify?");
  expect_wrong({"kernel", "xyzzy"}, "unknown command 'xyzzy'");
  expect_wrong({"run", "--promt", "x"}, "unknown option '--promt'; did you mean --prompt?");
  expect_wrong({"run", "-p", "x", "--top_k=3"}, "did you mean --top-k?");
  // As another command calls it.
  expect_wrong({"chat", "--ctx", "64"}, "unknown option '--ctx'; did you mean --context?");
  expect_wrong({"run", "-p", "x", "--temperature=1"}, "did you mean --temp?");
  expect_wrong({"run", "-p", "x", "--layout", "tl"}, "did you mean tl1?");
  expect_wrong({"run", "a", "b"}, "'b' is one argument too many");
  expect_wrong({"run", "-p", "x", "--temp", "0", "--temp", "1"}, "--temp is given 2 times");
  expect_wrong({"run", "-n"}, "'-n': expected a value");
  expect_wrong({"compile", "fairytale-6m"}, "--output");
  expect_wrong({}, "expected a command");
}

TEST_F(Arguments, APromptIsTakenAsItIs) {
  for (const std::string prompt :
       {"-x", "--help", "-", "--", "[a,b]", "[]", "%%", "\"q\"", "@f", "$x", "\\n", "=", "-n"}) {
    const auto given = bitnetc({"tokenize", "--ids", "-p", prompt});
    const auto piped = bitnetc({"tokenize", "--ids"}, {}, prompt);
    EXPECT_EQ(given.exit_code, 0) << prompt << given.err;
    EXPECT_EQ(given.out, piped.out) << prompt;
  }
}

TEST_F(Arguments, EveryCommandExplainsItselfIn80Columns) {
  const std::vector<std::vector<std::string>> commands = {{},
                                                          {"run"},
                                                          {"compile"},
                                                          {"inspect"},
                                                          {"tokenize"},
                                                          {"autotune"},
                                                          {"doctor"},
                                                          {"kernel"},
                                                          {"cache"},
                                                          {"kernel", "bench"},
                                                          {"kernel", "explain"},
                                                          {"kernel", "check"},
                                                          {"cache", "clear"}};
  for (std::vector<std::string> command : commands) {
    command.emplace_back("--help");
    const auto result = bitnetc(command);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.out.find("Usage: bitnetc"), std::string::npos);
    for (size_t at = 0, end; at < result.out.size(); at = end + 1) {
      end = std::min(result.out.find('\n', at), result.out.size());
      EXPECT_LE(end - at, 80U) << result.out.substr(at, end - at);
    }
  }
}

}  // namespace
}  // namespace bitnetc::test
