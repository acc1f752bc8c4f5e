// What is typed in a chat: messages of several lines, and commands.
#include "tools/chat/chat_input.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace bitnetc::chat {
namespace {

using bitnetc::test::expect_error;

// The inputs that these lines make, one a line of the result.
std::vector<std::string> inputs_of(std::initializer_list<std::string_view> lines) {
  InputLines input;
  std::vector<std::string> all;
  const auto keep = [&](const std::optional<ChatInput>& each) {
    if (each) all.push_back((each->is_literal ? "literal:" : "") + each->text);
  };
  for (const std::string_view line : lines) keep(input.add(line));
  EXPECT_FALSE(input.is_open());
  return all;
}

using Inputs = std::vector<std::string>;

TEST(InputLines, ALineIsAMessage) {
  EXPECT_EQ(inputs_of({"hello", "  two  words "}), (Inputs{"hello", "  two  words "}));
  EXPECT_EQ(inputs_of({"", " \t", "a\r", "\r"}), Inputs{"a"});
}

TEST(InputLines, ABackslashAtTheEndGoesOn) {
  EXPECT_EQ(inputs_of({"a\\", "b\\", "c", "d"}), (Inputs{"a\nb\nc", "d"}));
  EXPECT_EQ(inputs_of({"a\\", ""}), Inputs{"a\n"});
  EXPECT_EQ(inputs_of({"\\", "a"}), Inputs{"\na"});
  EXPECT_EQ(inputs_of({"a\\b"}), Inputs{"a\\b"});
  EXPECT_EQ(inputs_of({"/system a\\", "b"}), Inputs{"/system a\nb"});
}

TEST(InputLines, QuotesHoldATextAsItIs) {
  EXPECT_EQ(inputs_of({"\"\"\"", "a", "", "/b\\", "\"\"\"", "c"}),
            (Inputs{"literal:a\n\n/b\\", "c"}));
  EXPECT_EQ(inputs_of({"  \"\"\"a", "b\"\"\"  "}), Inputs{"literal:a\nb"});
  EXPECT_EQ(inputs_of({"\"\"\"a\"\"\""}), Inputs{"literal:a"});
  EXPECT_EQ(inputs_of({"\"\"\"\"\"\""}), Inputs{"literal:"});
  EXPECT_EQ(inputs_of({"\"\"\"", "\"\"\""}), Inputs{"literal:"});
  EXPECT_EQ(inputs_of({"say \"\"\""}), Inputs{"say \"\"\""});
}

TEST(InputLines, TheEndOfTheInputEndsAMessageButNotAQuote) {
  InputLines lines;
  EXPECT_FALSE(lines.finish()->has_value());
  lines.add("a\\");
  EXPECT_TRUE(lines.is_open());
  EXPECT_EQ(lines.finish().value()->text, "a");
  EXPECT_FALSE(lines.is_open());
  lines.add("\"\"\"a");
  EXPECT_TRUE(lines.is_open());
  expect_error(lines.finish(), StatusCode::kInvalidArgument, {"\"\"\""});
  EXPECT_FALSE(lines.is_open());
}

TEST(InputLines, ClearDropsWhatWasTyped) {
  InputLines lines;
  lines.add("\"\"\"a");
  lines.clear();
  EXPECT_EQ(lines.add("b")->text, "b");
}

TEST(ChatCommands, OnlyASlashInFrontMakesACommand) {
  EXPECT_TRUE(is_command({.text = "/help"}));
  EXPECT_TRUE(is_command({.text = "  /help"}));
  EXPECT_FALSE(is_command({.text = "help /me"}));
  EXPECT_FALSE(is_command({.text = "/help", .is_literal = true}));
}

TEST(ChatCommands, EachIsRead) {
  const std::pair<const char*, CommandKind> commands[] = {
      {"/help", CommandKind::kHelp},
      {" /reset ", CommandKind::kReset},
      {"/save a", CommandKind::kSave},
      {"/load a", CommandKind::kLoad},
      {"/system", CommandKind::kSystem},
      {"/stats", CommandKind::kStats},
      {"/regenerate", CommandKind::kRegenerate},
      {"/retry", CommandKind::kRegenerate},
      {"/quit", CommandKind::kQuit},
  };
  for (const auto& [text, kind] : commands) {
    const auto command = parse_command(text);
    ASSERT_TRUE(command.ok()) << text;
    EXPECT_EQ(command->kind, kind) << text;
  }
  for (const char* name : {"/help", "/reset", "/save FILE", "/load FILE", "/system TEXT", "/stats",
                           "/regenerate", "/retry", "/quit"})
    EXPECT_NE(command_help().find(name), std::string::npos) << name;
  EXPECT_EQ(parse_command("/save  my file.json ")->argument, "my file.json");
  EXPECT_EQ(parse_command("/system Be brief.\nAnd kind.")->argument, "Be brief.\nAnd kind.");
}

TEST(ChatCommands, AFileMayBeQuotedAndBeginWithATilde) {
  EXPECT_EQ(file_named("a b.json", "/home/x"), "a b.json");
  EXPECT_EQ(file_named("\"a b.json\"", "/home/x"), "a b.json");
  EXPECT_EQ(file_named("'a b.json'", "/home/x"), "a b.json");
  EXPECT_EQ(file_named("~/a.json", "/home/x"), "/home/x/a.json");
  EXPECT_EQ(file_named("\"~/a b.json\"", "/home/x"), "/home/x/a b.json");
  EXPECT_EQ(file_named("~/a.json", ""), "~/a.json");
  for (const char* name : {"\"a", "a\"", "\"a\" \"b\"", "\"a'", "\"\"", "\"", "~a/b", "a/~/b"})
    EXPECT_EQ(file_named(name, "/home/x"), name);
}

TEST(ChatCommands, WrongOnesSayWhatWasMeant) {
  expect_error(parse_command("/sav x"), StatusCode::kInvalidArgument, {"/sav", "/save"});
  expect_error(parse_command("/regenrate"), StatusCode::kInvalidArgument, {"/regenerate?"});
  expect_error(parse_command("/frobnicate"), StatusCode::kInvalidArgument,
               {"/frobnicate", "/help", "\"\"\""});
  // As other programs call them.
  expect_error(parse_command("/clear"), StatusCode::kInvalidArgument, {"did you mean /reset?"});
  expect_error(parse_command("/bye"), StatusCode::kInvalidArgument, {"did you mean /quit?"});
  expect_error(parse_command("/save"), StatusCode::kInvalidArgument, {"/save", "FILE"});
  expect_error(parse_command("/reset now"), StatusCode::kInvalidArgument, {"/reset", "'now'"});
  expect_error(parse_command("/\033[2J"), StatusCode::kInvalidArgument, {"/\\x1b[2J"});
}

}  // namespace
}  // namespace bitnetc::chat
