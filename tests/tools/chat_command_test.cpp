// `bitnetc chat` through a pipe: only answers on stdout, everything else on stderr.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/support/chat_fixture.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kUsage = 2, kBadModel = 3;
const std::vector<std::string> kShort = {"--greedy", "-n", "12", "-q"};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

json read_json(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in);
}

// The numbers behind "prompt" of every /stats: all, reused, computed.
std::vector<std::array<int, 3>> prompts_of(const std::string& text) {
  static const std::regex line("prompt +(\\d+) tokens: (\\d+) reused, (\\d+) computed");
  std::vector<std::array<int, 3>> found;
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at)
    found.push_back({std::stoi((*at)[1]), std::stoi((*at)[2]), std::stoi((*at)[3])});
  return found;
}

class Chat : public ChatFixture {};

TEST_F(Chat, OnlyAnswersGoToStdout) {
  const auto one = through_a_pipe("Who are you?\n/quit\n", kShort);
  ASSERT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(one.err, "");
  EXPECT_GT(one.out.size(), 2U);
  EXPECT_TRUE(one.out.ends_with("\n"));
  // The same without /quit, without the last newline, and with commands that write elsewhere.
  EXPECT_EQ(through_a_pipe("Who are you?", kShort).out, one.out);
  const auto more = through_a_pipe("/help\n\n/reset\nWho are you?\n/stats\n", kShort);
  EXPECT_EQ(more.out, one.out);
  EXPECT_NE(more.err.find("/regenerate"), std::string::npos) << more.err;
  EXPECT_EQ(through_a_pipe("/quit\nWho are you?\n", kShort).out, "");
}

// A form makes the model think.
TEST_F(Chat, ThoughtsAreNoPartOfTheAnswer) {
  std::ofstream(folder_.file("t.jinja"))
      << "{% for m in messages %}{{ m.role }}: {{ m.reasoning_content }}{{ m.content }}\n"
         "{% endfor %}{% if add_generation_prompt %}answer: <think>\n{% endif %}";
  const std::string file = folder_.file("thought.json");
  const auto chat =
      through_a_pipe("2+2?\n/save " + file + "\n2+3?\n/load " + file + "\n",
                     {"--greedy", "-q", "--regex", "I add\\.\n</think>\n\nIt is [4]"});
  EXPECT_EQ(chat.exit_code, 0) << chat.err;
  EXPECT_EQ(chat.out, "It is 4\nIt is 4\n");
  const json answer = read_json(file)["messages"][1];
  EXPECT_EQ(answer["content"], "It is 4");
  EXPECT_EQ(answer["reasoning_content"], "I add.");
}

TEST_F(Chat, AnAnswerIsThatOfRunToTheSamePrompt) {
  const auto answer = through_a_pipe("Who are you?\n", kShort);
  const auto run = bitnetc({"run", "--chat-template", folder_.file("t.jinja"), "--chat-prompt",
                            "Who are you?", "--greedy", "-n", "12", "-q"});
  EXPECT_EQ(answer.out, run.out);
}

TEST_F(Chat, TheSecondTurnComputesOnlyWhatIsNew) {
  const auto result =
      through_a_pipe("Once upon a time there was a king.\n/stats\nAnd then?\n/stats\n", kShort);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto prompts = prompts_of(result.err);
  ASSERT_EQ(prompts.size(), 2U) << result.err;
  EXPECT_EQ(prompts[0][1], 0);
  EXPECT_EQ(prompts[0][2], prompts[0][0]);
  EXPECT_GE(prompts[1][1], prompts[0][0]) << "the first turn's prompt is reused";
  EXPECT_EQ(prompts[1][1] + prompts[1][2], prompts[1][0]);
  EXPECT_LT(prompts[1][2], prompts[1][0] / 2);
  // -v says the same behind every answer.
  const auto verbose = through_a_pipe("a\n", {"--greedy", "-n", "2", "-v"});
  EXPECT_EQ(prompts_of(verbose.err).size(), 1U) << verbose.err;
  EXPECT_NE(verbose.err.find("first token after"), std::string::npos);
}

// What is kept between turns changes no token: a chat that begins with the saved turns, and so
// computes all of them, answers alike.
TEST_F(Chat, ReuseChangesNoAnswer) {
  const std::string file = folder_.file("c.json");
  const auto whole = through_a_pipe("A king.\n/save " + file + "\nA queen.\n", kShort);
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const auto rest = through_a_pipe("/load " + file + "\nA queen.\n/stats\n", kShort);
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(prompts_of(rest.err).at(0)[1], 0);
  EXPECT_TRUE(whole.out.ends_with(rest.out)) << whole.out << rest.out;
}

TEST_F(Chat, TheSameSeedGivesTheSameTranscript) {
  const std::string input = "A king.\n/regenerate\nA queen.\n";
  const auto options = [](const char* seed, const char* threads) {
    return std::vector<std::string>{"--temp", "1", "--seed", seed, "-t", threads, "-n", "12", "-q"};
  };
  const auto first = through_a_pipe(input, options("7", "1"));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(through_a_pipe(input, options("7", "2")).out, first.out);
  EXPECT_NE(through_a_pipe(input, options("8", "1")).out, first.out);
}

TEST_F(Chat, RegenerateWritesAnotherAnswerInItsPlace) {
  const std::string file = folder_.file("c.json");
  const std::vector<std::string> sampled = {"--temp", "1", "-n", "12", "-q"};
  const auto result = through_a_pipe("A king.\n/retry\n/save " + file + "\n", sampled);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json saved = read_json(file);
  ASSERT_EQ(saved["messages"].size(), 2U);
  EXPECT_EQ(saved["answers"], "2");
  const auto answer = saved["messages"][1]["content"].get<std::string>();
  EXPECT_TRUE(result.out.ends_with(answer + "\n"));
  EXPECT_FALSE(result.out.starts_with(answer + "\n")) << "another seed, another answer";
  const auto nothing = through_a_pipe("/regenerate\n", kShort);
  EXPECT_EQ(nothing.exit_code, kUsage);
  EXPECT_NE(nothing.err.find("nothing was answered yet"), std::string::npos) << nothing.err;
}

TEST_F(Chat, TheSystemMessageComesFirst) {
  const std::string file = folder_.file("c.json");
  std::ofstream(folder_.file("system.txt")) << "A wolf speaks.\n";
  const std::vector<std::string> from_file = {
      "--greedy", "-n", "12", "-q", "--system", "@" + folder_.file("system.txt")};
  const auto given = through_a_pipe("Hello.\n/save " + file + "\n", from_file);
  ASSERT_EQ(given.exit_code, 0) << given.err;
  EXPECT_EQ(read_json(file)["messages"][0],
            (json{{"role", "system"}, {"content", "A wolf speaks."}}));
  EXPECT_EQ(through_a_pipe("/system A wolf speaks.\nHello.\n", kShort).out, given.out);
  EXPECT_EQ(through_a_pipe("Hi.\n/system A wolf speaks.\n/reset\nHello.\n", kShort)
                .out.substr(through_a_pipe("Hi.\n", kShort).out.size()),
            given.out);
  EXPECT_EQ(through_a_pipe("/system\nHello.\n", from_file).out,
            through_a_pipe("Hello.\n", kShort).out);
}

TEST_F(Chat, MessagesOfSeveralLines) {
  const std::string file = folder_.file("c.json");
  const auto result =
      through_a_pipe("a\\\nb\n\"\"\"\n/c\\\n\nd\n\"\"\"\n/save " + file + "\n", kShort);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json messages = read_json(file)["messages"];
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[0]["content"], "a\nb");
  EXPECT_EQ(messages[2]["content"], "/c\\\n\nd");
  const auto open = through_a_pipe("\"\"\"\na\n", kShort);
  EXPECT_EQ(open.exit_code, kUsage);
  EXPECT_EQ(open.out, "");
}

// Spelled out by a user, a special token is ordinary text.
TEST_F(Chat, WhatIsTypedIsNeverASpecialToken) {
  const auto plain = through_a_pipe("<|end_of_text|>\n/stats\n", kShort);
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  const auto one_letter = through_a_pipe("x\n/stats\n", kShort);
  EXPECT_GT(prompts_of(plain.err).at(0)[0], prompts_of(one_letter.err).at(0)[0] + 3);
}

TEST_F(Chat, AScriptEndsWithWhatFails) {
  const auto unknown = through_a_pipe("/sav x\nHello.\n", kShort);
  EXPECT_EQ(unknown.exit_code, kUsage);
  EXPECT_EQ(unknown.out, "");
  EXPECT_NE(unknown.err.find("did you mean /save?"), std::string::npos) << unknown.err;
  const auto missing = through_a_pipe("/load " + folder_.file("none") + "\nHello.\n", kShort);
  EXPECT_EQ(missing.exit_code, kBadModel);
  EXPECT_NE(missing.err.find(folder_.file("none")), std::string::npos) << missing.err;
}

TEST_F(Chat, WithoutATemplateItSaysWhatToDo) {
  const auto result = bitnetc({"chat"}, environment(), "Hello.\n");
  EXPECT_EQ(result.exit_code, kBadModel);
  for (const char* part :
       {"fairytale-6m", "--chat-template FILE (", "tools/examples/chat.jinja is", "bitnetc run -p"})
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
}

TEST_F(Chat, BytesThatAreNoTextAreRefused) {
  for (const char* input : {"bad \xff text\nHello.\n", "/system bad \xff text\nHello.\n"}) {
    const auto result = through_a_pipe(input, kShort);
    EXPECT_EQ(result.exit_code, kUsage) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find("the text is not valid UTF-8 at byte 4 (0xFF)"), std::string::npos)
        << result.err;
  }
  const auto system =
      through_a_pipe("Hello.\n", {"--greedy", "-n", "4", "--system", "bad \xff text"});
  EXPECT_EQ(system.exit_code, kUsage);
  EXPECT_NE(system.err.find("--system: the text is not valid UTF-8"), std::string::npos)
      << system.err;
}

TEST_F(Chat, AMessageThatNeverFitsIsToldFromAFullContext) {
  const std::vector<std::string> small = {"--greedy", "-q", "-c", "10", "-n", "2"};
  const std::string input = "What is the name of the king who had three daughters?\n";
  const auto first = through_a_pipe(input, small);
  EXPECT_EQ(first.exit_code, kUsage);
  EXPECT_TRUE(std::regex_search(
      first.err, std::regex("this message alone has \\d+ tokens, the context is 10\n")))
      << first.err;
  const auto with_system = through_a_pipe("/system Hi.\n" + input, small);
  EXPECT_NE(with_system.err.find("tokens with the system message, the context is 10"),
            std::string::npos)
      << with_system.err;
}

TEST_F(Chat, AFullContextIsSaidWithBothNumbers) {
  std::vector<std::string> small = {"--greedy", "-q", "-c", "24", "-n", "4"};
  const auto result = through_a_pipe("a\nword word word word word word word word\n", small);
  EXPECT_EQ(result.exit_code, kUsage);
  EXPECT_TRUE(std::regex_search(result.err, std::regex("has \\d+ tokens with this message, the "
                                                       "context 24; /reset")))
      << result.err;
  EXPECT_EQ(lines_of(result.out).size(), 1U) << "the first answer, nothing of the second";
  // An answer that fills the context is cut, and says so.
  const auto cut = through_a_pipe("a\n", {"--greedy", "--ignore-eos", "-c", "24"});
  EXPECT_EQ(cut.exit_code, 0);
  EXPECT_NE(cut.err.find("the context is full, 24 of 24 tokens"), std::string::npos) << cut.err;
}

TEST_F(Chat, SaveReplacesOnlyRegularFilesAndNotTheModel) {
  const std::string fifo = folder_.file("fifo"), file = folder_.file("c.json");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {fifo, std::string("/dev/null"), folder_.path().string(),
                                  folder_.file("none/c.json"), folder_.file("t.jinja")}) {
    const auto refused = through_a_pipe("Hi.\n/save " + path + "\n", kShort);
    EXPECT_NE(refused.exit_code, 0) << path;
    EXPECT_NE(refused.err.find(path), std::string::npos) << refused.err;
  }
  EXPECT_TRUE(fs::is_fifo(fifo));
  std::ofstream(file) << "before";
  EXPECT_EQ(through_a_pipe("Hi.\n/save " + file + "\n", kShort).exit_code, 0);
  EXPECT_EQ(read_json(file)["schema"], "bitnetc.conversation");
}

TEST_F(Chat, NamesOfFilesMayBeQuotedAndBeginWithATilde) {
  auto at_home = environment();
  at_home["HOME"] = folder_.path().string();
  const auto result = bitnetc(
      chat(kShort), at_home,
      "Hi.\n/save ~/a b.json\n/save \"" + folder_.file("c d.json") + "\"\n/load '~/a b.json'\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* name : {"a b.json", "c d.json"})
    EXPECT_EQ(read_json(folder_.file(name))["schema"], "bitnetc.conversation") << name;
}

TEST_F(Chat, AnotherModelOrSettingIsNoted) {
  const std::string file = folder_.file("c.json");
  ASSERT_EQ(through_a_pipe("Hi.\n/save " + file + "\n", kShort).exit_code, 0);
  const auto other = through_a_pipe("/load " + file + "\n", {"--temp", "1", "--kv", "i8"});
  EXPECT_EQ(other.exit_code, 0);
  EXPECT_NE(other.err.find("another model or template, temperature"), std::string::npos)
      << other.err;
}

TEST_F(Chat, TheHistoryIsForTerminals) {
  EXPECT_EQ(through_a_pipe("Hi.\n", kShort).exit_code, 0);
  EXPECT_FALSE(fs::exists(folder_.file("state")));
}

TEST_F(Chat, ASignalEndsWaitingForAPipe) {
  const std::string expected = through_a_pipe("Hi.\n", kShort).out;
  const std::pair<int, int> exit_codes[] = {{SIGINT, 130}, {SIGTERM, 143}, {SIGHUP, 129}};
  for (const auto& [signal, exit_code] : exit_codes) {
    const auto result = bitnetc_with(chat(kShort), {.environment = environment(),
                                                    .input = "Hi.\n",
                                                    .keeps_input_open = true,
                                                    .interrupt_after_ms = 2000,
                                                    .signal = signal});
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_EQ(result.out, expected);
    EXPECT_LT(result.ended_after_ms, 1000);
  }
}

}  // namespace
}  // namespace bitnetc::test
