// `bitnetc chat` on a terminal: keys, Ctrl-C, Ctrl-D, the history, what the terminal is left as.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/support/chat_fixture.h"
#include "tests/support/child_process.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kPrompt[] = "\n> ";
constexpr char kCtrlC[] = "\x03", kCtrlD[] = "\x04", kUp[] = "\033[A", kLeft[] = "\033[D";
const std::vector<std::string> kShort = {"--greedy", "-n", "4"};

json read_json(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in);
}

class ChatTerminal : public ChatFixture {
 protected:
  std::string history() const {
    std::ifstream in(history_file());
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // What the user's message became, as /save tells.
  std::string last_question(TerminalProgram& program) const {
    const std::string file = folder_.file("asked.json");
    program.type("/save " + file + "\r");
    EXPECT_TRUE(program.wait_for("saved in")) << program.screen();
    const json messages = read_json(file)["messages"];
    return messages.size() < 2 ? "" : messages[messages.size() - 2]["content"].get<std::string>();
  }
  // A model that takes long for an answer.
  std::string slow_model() const {
    const std::string folder = folder_.file("slow");
    write_model(make_packed_model(
                    {.hidden = 512, .intermediate = 2048, .layers = 12, .max_positions = 4096}, 1),
                folder);
    return folder;
  }
};

TEST_F(ChatTerminal, GreetsAnswersAndLeavesWithCtrlD) {
  const auto program = on_a_terminal(kShort);
  ASSERT_TRUE(program->wait_for("/help lists what can be typed")) << program->screen();
  ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
  program->type("Hello.\r");
  ASSERT_TRUE(program->wait_for("cut after 4 tokens")) << program->screen();
  ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
  program->type(kCtrlD);
  EXPECT_EQ(program->wait(), 0);
  EXPECT_TRUE(program->is_cooked());
}

TEST_F(ChatTerminal, ThoughtsAreFaint) {
  std::ofstream(folder_.file("t.jinja")) << "{% for m in messages %}{{ m.content }}\n{% endfor %}"
                                            "<think>\n";
  const auto program = on_a_terminal({"--greedy", "-q", "--regex", "ab</think>\n\nIt is [4]"});
  ASSERT_TRUE(program->wait_for("> ")) << program->screen();
  program->type("2+2?\r");
  ASSERT_TRUE(program->wait_for("It is 4")) << program->screen();
  EXPECT_NE(program->screen().find("\033[2m"), std::string::npos) << program->screen();
  EXPECT_NE(program->screen().find("\033[0m\r\n\r\nIt"), std::string::npos) << program->screen();
  EXPECT_EQ(program->screen().find("think"), std::string::npos) << program->screen();
}

TEST_F(ChatTerminal, QuietShowsPromptsAndAnswersOnly) {
  const auto program = on_a_terminal({"--greedy", "-n", "4", "-q"});
  ASSERT_TRUE(program->wait_for("> ")) << program->screen();
  EXPECT_EQ(program->screen(), "> ");
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(ChatTerminal, WhatFailsIsSaidAndTheChatGoesOn) {
  const auto program = on_a_terminal(kShort);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type("/hlep\r");
  ASSERT_TRUE(program->wait_for("did you mean /help?")) << program->screen();
  program->type("/load " + folder_.file("none") + "\r");
  ASSERT_TRUE(program->wait_for("cannot open")) << program->screen();
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(ChatTerminal, SentencesFitTheWidth) {
  ASSERT_EQ(bitnetc({"run", "-p", "x", "-n", "1", "-q"}).exit_code, 0);
  for (const int columns : {80, 40}) {
    const auto program = on_a_terminal(kShort, columns);
    ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
    program->type("/foo\r");
    ASSERT_TRUE(program->wait_for("bitnetc: there is no command /foo")) << program->screen();
    ASSERT_TRUE(program->wait_for("\"\"\")\r\n")) << program->screen();
    const std::string& screen = program->screen();
    const std::string banner = screen.substr(0, screen.find(kPrompt));
    const std::string error = screen.substr(screen.find("bitnetc: there is"));
    std::istringstream lines(banner + "\n" + error.substr(0, error.find("\"\"\")") + 4));
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(line.size(), static_cast<size_t>(columns) + 1) << line;  // with its \r
    program->type("/quit\r");
    EXPECT_EQ(program->wait(), 0);
  }
}

TEST_F(ChatTerminal, ALineWithBytesThatAreNoTextIsNotSent) {
  const auto program = on_a_terminal(kShort);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type("bad \xff text\r");
  ASSERT_TRUE(program->wait_for("are not valid UTF-8")) << program->screen();
  ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
  program->type("good\r");
  ASSERT_TRUE(program->wait_for("cut after")) << program->screen();
  EXPECT_EQ(last_question(*program), "good");
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
  EXPECT_NE(history().find("bad "), std::string::npos) << history();
}

TEST_F(ChatTerminal, WhatIsLoadedIsShown) {
  const auto program = on_a_terminal(kShort);
  ASSERT_TRUE(program->wait_for(kPrompt));
  const std::string file = folder_.file("c.json");
  std::ofstream(file) << R"({"schema": "bitnetc.conversation", "version": 1, "messages": [)"
                         R"({"role": "user", "content": "Why?"},)"
                         R"({"role": "assistant", "content": "So\n\nit  is.",)"
                         R"( "stop_reason": "end of text"}], "model": "", "fingerprint": "",)"
                         R"("seed": "0", "answers": "1", "sampling": {"temperature": 0,)"
                         R"("top_k": 1, "top_p": 1, "min_p": 0, "repeat_penalty": 1,)"
                         R"("repeat_last_n": 1}})";
  program->type("/load " + file + "\r");
  ASSERT_TRUE(program->wait_for("2 messages loaded")) << program->screen();
  ASSERT_TRUE(program->wait_for("the last one (assistant): So it is.\r\n")) << program->screen();
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(ChatTerminal, LinesAreEdited) {
  const auto program = on_a_terminal(kShort);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type(std::string("Helo.") + kLeft + kLeft + "l\x01Oh. \x05 Yes\r");
  ASSERT_TRUE(program->wait_for("cut after")) << program->screen();
  EXPECT_EQ(last_question(*program), "Oh. Hello. Yes");
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

// é has one column, 日 two; a combining accent and an emoji stand between them.
TEST_F(ChatTerminal, WideCharactersAreEditedAsCharacters) {
  const std::string text = "日本é e\xcc\x81 \xf0\x9f\x99\x82";
  for (const int columns : {80, 20}) {
    const auto program = on_a_terminal(kShort, columns);
    ASSERT_TRUE(program->wait_for(kPrompt));
    program->type(text + "語x\x7f\x7f" + "。" + std::string(12, 'y') + "\r");
    ASSERT_TRUE(program->wait_for("cut")) << program->screen();
    EXPECT_EQ(last_question(*program), text + "。" + std::string(12, 'y'));
    program->type("/quit\r");
    EXPECT_EQ(program->wait(), 0);
  }
}

TEST_F(ChatTerminal, ATerminalThatIsResizedIsFollowed) {
  const auto program = on_a_terminal(kShort, 80);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type("Hel");
  ASSERT_TRUE(program->wait_for("Hel"));
  program->resize(40);
  program->type("lo.\r");
  ASSERT_TRUE(program->wait_for("cut after")) << program->screen();
  EXPECT_EQ(last_question(*program), "Hello.");
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(ChatTerminal, AWindowMayGetLowerThanTheLineThatIsTyped) {
  const auto program = on_a_terminal(kShort, 80);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type(std::string(300, 'x') + "end");
  ASSERT_TRUE(program->wait_for("end"));
  program->resize(80, 3);
  program->type("y\r");
  ASSERT_TRUE(program->wait_for("cut after")) << program->screen();
  EXPECT_EQ(last_question(*program), std::string(300, 'x') + "endy");
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(ChatTerminal, MessagesOfSeveralLines) {
  const auto program = on_a_terminal(kShort);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type("\"\"\"\r");
  ASSERT_TRUE(program->wait_for("... "));
  program->type("a\rb\r\"\"\"\r");
  ASSERT_TRUE(program->wait_for("cut after")) << program->screen();
  EXPECT_EQ(last_question(*program), "a\nb");
  // Ctrl-C drops what was begun.
  program->type("\"\"\"c\r");
  ASSERT_TRUE(program->wait_for("... "));
  program->type(kCtrlC);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type("d\r");
  ASSERT_TRUE(program->wait_for("cut after")) << program->screen();
  EXPECT_EQ(last_question(*program), "d");
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(ChatTerminal, CtrlCClearsTheLineAndTwiceLeaves) {
  const auto program = on_a_terminal(kShort);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type("wrong");
  ASSERT_TRUE(program->wait_for("wrong"));
  program->type(kCtrlC);
  ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
  program->type("right\r");
  ASSERT_TRUE(program->wait_for("cut after")) << program->screen();
  EXPECT_EQ(last_question(*program), "right");
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type(kCtrlC);
  ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
  program->type(kCtrlC);
  EXPECT_EQ(program->wait(), 0);
  EXPECT_TRUE(program->is_cooked());
}

TEST_F(ChatTerminal, CtrlCStopsTheAnswerAndItsPartStays) {
  const auto program = on_a_terminal({slow_model(), "--greedy", "--ignore-eos", "-v"});
  ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
  program->type("Hello.\r");
  ASSERT_TRUE(program->wait_for("Hello.\r\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  program->type(kCtrlC);
  ASSERT_TRUE(program->wait_for("stopped by Ctrl-C")) << program->screen();
  const std::string file = folder_.file("c.json");
  program->type("/save " + file + "\r");
  ASSERT_TRUE(program->wait_for("saved in")) << program->screen();
  const json messages = read_json(file)["messages"];
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[1]["stop_reason"], "interrupted");
  // The chat goes on behind it.
  program->type("More.\r");
  ASSERT_TRUE(program->wait_for("More.\r\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  program->type(kCtrlC);
  ASSERT_TRUE(program->wait_for("stopped by Ctrl-C")) << program->screen();
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type(kCtrlD);
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(ChatTerminal, SigtermLeavesATerminalAsItWas) {
  const std::pair<int, int> exit_codes[] = {{SIGTERM, 143}, {SIGHUP, 129}, {SIGQUIT, 131}};
  const std::string slow = slow_model();
  for (const auto& [signal, exit_code] : exit_codes) {
    for (const bool is_answering : {false, true}) {
      const auto program = on_a_terminal({slow, "--greedy", "--ignore-eos"});
      ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
      program->type("Hello.");
      ASSERT_TRUE(program->wait_for("Hello."));
      EXPECT_FALSE(program->is_cooked());
      if (is_answering) {
        program->type("\r");
        ASSERT_TRUE(program->wait_for("\r\n"));
      }
      program->signal(signal);
      EXPECT_EQ(program->wait(), exit_code) << program->screen();
      EXPECT_TRUE(program->is_cooked());
    }
  }
}

TEST_F(ChatTerminal, TheHistoryOutlivesTheChat) {
  {
    const auto program = on_a_terminal(kShort);
    ASSERT_TRUE(program->wait_for(kPrompt));
    program->type("Hello \"wörld\".\r");
    ASSERT_TRUE(program->wait_for("cut after"));
    program->type("/quit\r");
    EXPECT_EQ(program->wait(), 0);
  }
  EXPECT_EQ(history(), "{\"line\":\"Hello \\\"wörld\\\".\"}\n{\"line\":\"/quit\"}\n");
  struct stat info = {};
  ASSERT_EQ(::stat(history_file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  const auto program = on_a_terminal(kShort);
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type(std::string(kUp) + kUp + "\r");
  ASSERT_TRUE(program->wait_for("cut after")) << program->screen();
  EXPECT_EQ(last_question(*program), "Hello \"wörld\".");
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

TEST_F(ChatTerminal, NoHistoryReadsAndWritesNone) {
  const auto program = on_a_terminal({"--greedy", "-n", "4", "--no-history"});
  ASSERT_TRUE(program->wait_for(kPrompt));
  program->type("/stats\r");
  ASSERT_TRUE(program->wait_for("tokens kept"));
  program->type(std::string(kUp) + "\r");  // within the chat lines are offered again
  ASSERT_TRUE(program->wait_for("tokens kept")) << program->screen();
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
  EXPECT_FALSE(fs::exists(folder_.file("state")));
}

TEST_F(ChatTerminal, AStateFolderThatCannotBeWrittenIsOneNote) {
  ASSERT_EQ(bitnetc({"run", "-p", "x", "-n", "1", "-q"}).exit_code, 0);
  const std::string found = in_child([&]() -> std::string {
    if (!own_mounts().empty()) return "skipped";
    fs::create_directories(folder_.file("state"));
    if (!make_read_only(folder_.file("state")).empty()) return "skipped";
    const auto program = on_a_terminal(kShort);
    if (!program->wait_for(kPrompt)) return program->screen();
    program->type("Hello.\r");
    if (!program->wait_for("cut after")) return program->screen();
    program->type("/quit\r");
    if (program->wait() != 0) return "the exit code is not 0";
    const std::string& screen = program->screen();
    const size_t first = screen.find("note: lines are remembered for this chat only");
    if (first == screen.npos) return "no note: " + screen;
    return screen.find("note: lines are", first + 1) == screen.npos ? "" : "two notes";
  });
  if (found == "skipped") GTEST_SKIP() << "no mounts here";
  EXPECT_EQ(found, "");
}

// A model's control characters are shown.
TEST_F(ChatTerminal, NothingOfTheTextSteersTheTerminal) {
  const auto program = on_a_terminal({slow_model(), "--temp", "100", "--ignore-eos", "-n", "200"});
  ASSERT_TRUE(program->wait_for(kPrompt)) << program->screen();
  program->type("Hello.\r");
  ASSERT_TRUE(program->wait_for("Hello.\r\n"));
  ASSERT_TRUE(program->wait_for("note: the answer was cut")) << program->screen();
  const std::string& screen = program->screen();
  const size_t begin = screen.find("Hello.\r\n") + 8;
  const std::string answer = screen.substr(begin, screen.find("note: the answer") - begin);
  EXPECT_EQ(answer.find('\033'), std::string::npos);
  EXPECT_NE(answer.find("\\x"), std::string::npos) << "the model wrote no control character";
  program->type("/quit\r");
  EXPECT_EQ(program->wait(), 0);
}

}  // namespace
}  // namespace bitnetc::test
