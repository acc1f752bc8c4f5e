// The file of /save and /load.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"
#include "tools/chat/conversation.h"

namespace bitnetc::chat {
namespace {

using bitnetc::test::expect_error;
using bitnetc::test::TempFolder;
using nlohmann::json;

SavedChat example() {
  return {
      .conversation =
          {.system = "Be brief.",
           .turns = {{.question = "Why?", .answer = "Because \"so\".\n", .thought = "Who knows?\n"},
                     {.question = "日本\t\x1b", .answer = "", .stop = StopReason::kInterrupted}}},
      .settings = {.model = "/m.bnc",
                   .fingerprint = "fp_0",
                   .sampling = {.temperature = 0.7,
                                .top_k = 5,
                                .top_p = 0.9,
                                .min_p = 0.05,
                                .repeat_penalty = 1.1,
                                .repeat_last_n = 32,
                                .seed = 18446744073709551615U}},
      .answers = 3};
}

TEST(SavedChat, IsADocumentLikeTheOthers) {
  const json document = json::parse(saved_chat_json(example(), "1.2.3"));
  EXPECT_EQ(document["schema"], "bitnetc.conversation");
  EXPECT_EQ(document["version"], 1);
  EXPECT_EQ(document["messages"][0], (json{{"role", "system"}, {"content", "Be brief."}}));
  EXPECT_EQ(document["messages"][1], (json{{"role", "user"}, {"content", "Why?"}}));
  EXPECT_EQ(document["messages"][4],
            (json{{"role", "assistant"}, {"content", ""}, {"stop_reason", "interrupted"}}));
  EXPECT_EQ(document["seed"], "18446744073709551615");
  EXPECT_EQ(document["answers"], "3");
  EXPECT_EQ(document["sampling"]["min_p"], 0.05);
  EXPECT_EQ(document["model"], "/m.bnc");
  EXPECT_EQ(document["fingerprint"], "fp_0");
  EXPECT_EQ(document["bitnetc_version"], "1.2.3");
}

TEST(SavedChat, IsReadAsItWasWritten) {
  for (const bool has_system : {true, false}) {
    SavedChat saved = example();
    if (!has_system) saved.conversation.system.reset();
    const std::string text = saved_chat_json(saved, "1");
    const auto read = parse_saved_chat(text, "c.json");
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(saved_chat_json(*read, "1"), text);
    EXPECT_EQ(read->conversation.messages().size(), has_system ? 5U : 4U);
  }
  const auto empty = parse_saved_chat(saved_chat_json({}, "1"), "c.json");
  ASSERT_TRUE(empty.ok()) << empty.status().message();
  EXPECT_TRUE(empty->conversation.messages().empty());
}

TEST(SavedChat, AFaultNamesFileFieldAndValue) {
  struct Fault {
    const char* pointer;
    json value;
    StatusCode code;
    std::vector<std::string> named;
  };
  constexpr auto kCorrupt = StatusCode::kDataCorrupt;
  const Fault faults[] = {
      {"/schema", "bitnetc.run", kCorrupt, {"schema is \"bitnetc.run\"", "bitnetc.conversation"}},
      {"/version", 2, StatusCode::kUnsupported, {"version is 2", "expected 1"}},
      {"/messages", "x", kCorrupt, {"messages is \"x\"", "a list"}},
      {"/messages/1", 7, kCorrupt, {"messages[1] is 7", "an object"}},
      {"/messages/1/role", "tool", kCorrupt, {"messages[1].role is \"tool\"", "\"user\""}},
      {"/messages/1/role", "system", kCorrupt, {"messages[1].role is \"system\"", "\"user\""}},
      {"/messages/2/role", "user", kCorrupt, {"messages[2].role", "\"assistant\""}},
      {"/messages/3/content", nullptr, kCorrupt, {"messages[3].content is null", "a text"}},
      {"/messages/2/reasoning_content", 1, kCorrupt, {"messages[2].reasoning_content is 1"}},
      {"/messages/4/stop_reason", "tired", kCorrupt, {"messages[4].stop_reason", "end of text"}},
      {"/sampling", 1, kCorrupt, {"sampling is 1"}},
      {"/sampling/top_k", 1.5, kCorrupt, {"sampling.top_k is 1.5", "a whole number"}},
      {"/sampling/top_p", "1", kCorrupt, {"sampling.top_p is \"1\"", "a number"}},
      {"/seed", 7, kCorrupt, {"seed is 7", "as a text"}},
      {"/answers", "-1", kCorrupt, {"answers is \"-1\""}},
      {"/model", 1, kCorrupt, {"model is 1"}},
  };
  const json right = json::parse(saved_chat_json(example(), "1"));
  for (const Fault& fault : faults) {
    json wrong = right;
    wrong[json::json_pointer(fault.pointer)] = fault.value;
    const auto read = parse_saved_chat(wrong.dump(), "c.json");
    expect_error(read, fault.code, {"c.json: "});
    for (const std::string& part : fault.named) expect_error(read, fault.code, {part});
  }
  for (const auto& [key, value] : right.items()) {
    if (key == "bitnetc_version") continue;
    json without = right;
    without.erase(key);
    const auto read = parse_saved_chat(without.dump(), "c.json");
    ASSERT_FALSE(read.ok()) << key;
    EXPECT_TRUE(read.status().message().starts_with("c.json: " + key)) << read.status().message();
    EXPECT_NE(read.status().message().find("is missing"), std::string::npos);
  }
}

TEST(SavedChat, AQuestionWithoutAnAnswerIsNoConversation) {
  json document = json::parse(saved_chat_json(example(), "1"));
  document["messages"].erase(4);
  expect_error(parse_saved_chat(document.dump(), "c.json"), StatusCode::kDataCorrupt,
               {"c.json: messages[4] is missing"});
}

TEST(SavedChat, WhatIsNoDocumentIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("{\"version\": 1e999}"), std::string("[]"),
        std::string("{\"schema\": \"\xff\"}"), "{\"messages\": " + std::string(100000, '[')})
    expect_error(parse_saved_chat(text, "c.json"), StatusCode::kDataCorrupt, {"c.json: "});
}

TEST(SavedChat, WhereADocumentBreaksOffIsSaid) {
  expect_error(parse_saved_chat("{\"schema\" 1}", "c.json"), StatusCode::kDataCorrupt,
               {"c.json: is no JSON: parse error at line 1, column 11"});
  expect_error(parse_saved_chat("{\"version\": 1e999}", "c.json"), StatusCode::kDataCorrupt,
               {"c.json: is no JSON: number overflow"});
}

TEST(SavedChat, OnlyARegularFileIsRead) {
  const TempFolder folder;
  const std::string fifo = folder.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  expect_error(read_saved_chat(fifo), StatusCode::kIoError, {fifo, "not a regular file"});
  expect_error(read_saved_chat(folder.file("none")), StatusCode::kNotFound, {folder.file("none")});
  expect_error(read_saved_chat(folder.path()), StatusCode::kIoError, {folder.path()});
}

TEST(SavedChat, DifferencesAreNamed) {
  const ChatSettings here = example().settings;
  EXPECT_EQ(differences(here, here), "");
  ChatSettings there = here;
  there.fingerprint = "fp_1";
  there.sampling.seed = 7;
  there.sampling.temperature = 1;
  EXPECT_EQ(differences(there, here), "model or template, temperature, seed");
}

}  // namespace
}  // namespace bitnetc::chat
