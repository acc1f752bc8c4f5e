// Blocks of thoughts: how a text is split however it is cut, which templates know them, where a
// prompt leaves the text that follows, and which texts grammars let come behind them.
#include "frontend/think_text.h"

#include <gtest/gtest.h>

#include <random>

#include "frontend/chat.h"
#include "frontend/grammar.h"
#include "tests/frontend/jinja/template_goldens.h"

namespace bitnetc {
namespace {

ThinkSplit split(ThinkPlace place, std::string_view text, std::mt19937* cuts = nullptr) {
  ThinkReader reader(place);
  ThinkSplit whole;
  const auto add = [&](const ThinkSplit& more) {
    // Thoughts come first.
    EXPECT_TRUE(whole.answer.empty() || more.thought.empty());
    whole.thought += more.thought;
    whole.answer += more.answer;
  };
  while (!text.empty()) {
    const size_t size = cuts ? std::min<size_t>(text.size(), 1 + (*cuts)() % 5) : text.size();
    add(reader.push(text.substr(0, size)));
    text.remove_prefix(size);
  }
  add(reader.finish());
  return whole;
}

TEST(ThinkReader, SplitsALeadingBlock) {
  struct Case {
    ThinkPlace place;
    const char *text, *thought, *answer;
  };
  constexpr auto kMayBegin = ThinkPlace::kMayBegin, kInside = ThinkPlace::kInside;
  const Case cases[] = {
      {kMayBegin, "<think>\nAdd.\n\nThen ask.\n</think>\n\n4 <b>\n", "Add.\n\nThen ask.",
       "4 <b>\n"},
      {kMayBegin, " \n<think>Add.</think>4", "Add.", "4"},
      {kMayBegin, "<think>\n\n</think>\n\nYes", "", "Yes"},
      {kMayBegin, "<think>\nAdd. </thin", "Add. </thin", ""},
      {kMayBegin, "<think>Add.</think> \n", "Add.", ""},
      {kMayBegin, "<think>a</think>b<think>c</think>", "a", "b<think>c</think>"},
      {kMayBegin, "<think>a<think>b</think>c", "a<think>b", "c"},
      {kMayBegin, " \n4 <think>a</think>", "", " \n4 <think>a</think>"},
      {kMayBegin, "\n <thin", "", "\n <thin"},
      {kMayBegin, "<thinking>a", "", "<thinking>a"},
      {kMayBegin, "a</think>b", "", "a</think>b"},
      {kMayBegin, "", "", ""},
      {kInside, "\nAdd.</think>\n4", "Add.", "4"},
      {kInside, "Add. \n", "Add. \n", ""},
      {kInside, "</think>4", "", "4"},
      {ThinkPlace::kGoesOn, " more</think>4", " more", "4"},
      {kInside, "<tool_call>a</think><tool_call>", "<tool_call>a", "<tool_call>"},
      {ThinkPlace::kNone, "<think>a</think>b", "", "<think>a</think>b"},
  };
  std::mt19937 random(7);
  for (const Case& each : cases) {
    const ThinkSplit expected = {each.thought, each.answer};
    EXPECT_EQ(split(each.place, each.text), expected) << each.text;
    for (int i = 0; i < 50; ++i)
      EXPECT_EQ(split(each.place, each.text, &random), expected) << each.text;
  }
}

// Texts of pieces of tags, white space and characters of several bytes.
TEST(ThinkReader, CutsChangeNothing) {
  constexpr std::string_view kPieces[] = {"<think>", "</think>", "<th", "ink>", "</thi",
                                          "nk>",     "<",        "/",   ">",    " ",
                                          "\n",      "\t",       "a",   "ö"};
  std::mt19937 random(1);
  for (int i = 0; i < 4000; ++i) {
    std::string text;
    for (size_t count = random() % 12; count > 0; --count)
      text += kPieces[random() % std::size(kPieces)];
    for (const ThinkPlace place : {ThinkPlace::kNone, ThinkPlace::kMayBegin, ThinkPlace::kInside})
      EXPECT_EQ(split(place, text, &random), split(place, text)) << text;
  }
}

TEST(ThinkReader, KnowsTheBytesOfTheBlock) {
  ThinkReader reader(ThinkPlace::kMayBegin);
  reader.push(" <thi");
  EXPECT_TRUE(reader.is_undecided());
  reader.push("nk>ab");
  EXPECT_FALSE(reader.is_undecided());
  EXPECT_EQ(reader.block_bytes(), 10u);
  reader.push("</think>\n\nYes");
  EXPECT_EQ(reader.block_bytes(), 18u);
  ThinkReader none(ThinkPlace::kMayBegin);
  none.push("Yes");
  EXPECT_FALSE(none.is_undecided());
  EXPECT_EQ(none.block_bytes(), 0u);
}

jinja::Json golden(const std::string& name) {
  return jinja::read_json(BITNETC_SOURCE_DIR "/tests/frontend/jinja/data/" + name + ".json");
}

std::unique_ptr<const ChatTemplate> published(const std::string& name) {
  const jinja::Json document = golden(name);
  SpecialTokens tokens;
  for (const auto& [key, value] : document["variables"].items())
    if (value.is_string()) tokens[key] = value.get<std::string>();
  auto made = ChatTemplate::create(document["template"].get<std::string>(), name, tokens);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *std::move(made);
}

ChatPrompt render(const ChatTemplate& chat_template, const std::vector<ChatMessage>& messages,
                  const ChatRendering& how = {}) {
  auto prompt = chat_template.render(messages, how);
  EXPECT_TRUE(prompt.ok()) << prompt.status().message();
  return prompt.ok() ? *std::move(prompt) : ChatPrompt();
}

TEST(ThinkTemplates, AreKnownByTheirTags) {
  for (const char* name : {"qwen3", "qwen3.6", "qwen3.8"})
    EXPECT_TRUE(published(name)->knows_thinking()) << name;
  for (const char* name : {"chatml", "llama3", "bitnet-2b-4t", "gemma3", "falcon3"}) {
    EXPECT_FALSE(published(name)->knows_thinking()) << name;
    EXPECT_EQ(render(*published(name), {{"user", "Hi"}}).think, ThinkPlace::kNone);
  }
  EXPECT_TRUE(published("qwen3")->names("enable_thinking"));
  EXPECT_FALSE(published("qwen3")->names("enable"));
  EXPECT_FALSE(published("qwen3")->names("reasoning_effort"));
  EXPECT_TRUE(published("qwen3.8")->names("reasoning_effort"));
  EXPECT_TRUE(published("qwen3")->is_own_variable("messages"));
  EXPECT_TRUE(published("qwen3")->is_own_variable("bos_token"));
  EXPECT_FALSE(published("qwen3")->is_own_variable("enable_thinking"));
}

TEST(ThinkTemplates, SayWhereTheAnswerBegins) {
  const std::vector<ChatMessage> question = {{"user", "Write <think>"}};
  const auto off = ChatRendering{.variables = R"({"enable_thinking": false})"};
  EXPECT_EQ(render(*published("qwen3"), question).think, ThinkPlace::kMayBegin);
  const ChatPrompt closed = render(*published("qwen3"), question, off);
  EXPECT_TRUE(closed.text.ends_with("assistant\n<think>\n\n</think>\n\n")) << closed.text;
  EXPECT_EQ(closed.think, ThinkPlace::kNone);
  EXPECT_EQ(render(*published("qwen3.6"), question).think, ThinkPlace::kInside);
  EXPECT_EQ(render(*published("qwen3.6"), question, off).think, ThinkPlace::kNone);
  // A message is not taken for the template's tag.
  const auto bare = ChatTemplate::create("{{ messages[0].content }}{# </think> #}", "t", {});
  EXPECT_EQ(render(**bare, question).think, ThinkPlace::kMayBegin);
}

TEST(ThinkTemplates, AnswersThatGoOnDoSoWhereTheyAre) {
  const ChatRendering goes_on = {.end = ChatEnd::kWithinLastAnswer};
  const auto place = [&](const char* name, const std::string& content) {
    return render(*published(name), {{"user", "Hi"}, {"assistant", content}}, goes_on).think;
  };
  EXPECT_EQ(place("qwen3", "The"), ThinkPlace::kNone);
  EXPECT_EQ(place("qwen3", "<think>\n"), ThinkPlace::kInside);
  EXPECT_EQ(place("qwen3", "<think>\nI add"), ThinkPlace::kGoesOn);
  EXPECT_EQ(place("qwen3", "<think>\nI add\n</think>\n\n4"), ThinkPlace::kNone);
  EXPECT_EQ(place("qwen3", ""), ThinkPlace::kNone);  // the template writes an empty block
  EXPECT_EQ(place("chatml", ""), ThinkPlace::kNone);
  const auto plain = ChatTemplate::create("{{ messages[-1].content }}{# </think> #}", "t", {});
  EXPECT_EQ(render(**plain, {{"assistant", ""}}, goes_on).think, ThinkPlace::kMayBegin);
}

TEST(ThinkTemplates, AreGivenWhatWasThought) {
  const std::vector<ChatMessage> messages = {
      {"user", "2+2?"},
      {.role = "assistant", .content = "4", .reasoning_content = "Add <|im_end|>"}};
  const ChatPrompt prompt = render(*published("qwen3"), messages, {.end = ChatEnd::kConversation});
  EXPECT_NE(prompt.text.find("<think>\nAdd <|im_end|>\n</think>\n\n4<|im_end|>"), std::string::npos)
      << prompt.text;
  ASSERT_EQ(prompt.typed.size(), 3u);
  EXPECT_EQ(prompt.text.substr(prompt.typed[1].begin, 14), "Add <|im_end|>");
  const auto told = ChatTemplate::create(
      "{% for m in messages %}{{ m.content }}{{ m.reasoning_content }}|{% endfor %}", "t", {});
  EXPECT_EQ(render(**told, messages).text, "2+2?|4Add <|im_end|>|");
}

TEST(ContinueFinal, CutsWhereTransformersDoes) {
  const jinja::Json document =
      jinja::read_json(BITNETC_SOURCE_DIR "/tests/frontend/chat/data/continue_final.json");
  ASSERT_GT(document["cases"].size(), 90u);
  for (const jinja::Json& each : document["cases"]) {
    SCOPED_TRACE(each.dump());
    std::vector<ChatMessage> messages;
    for (const jinja::Json& message : each["messages"])
      messages.push_back({message[0].get<std::string>(), message[1].get<std::string>()});
    const ChatPrompt prompt =
        render(*published(each["template"].get<std::string>()), messages,
               {.end = ChatEnd::kWithinLastAnswer, .now = jinja::golden_time()});
    EXPECT_EQ(prompt.text, each["expected"].get<std::string>());
    EXPECT_TRUE(prompt.typed.empty() || prompt.typed.back().end <= prompt.text.size());
  }
}

TEST(ContinueFinal, SaysWhatCannotGoOn) {
  const ChatRendering goes_on = {.end = ChatEnd::kWithinLastAnswer};
  const auto message = [&](const ChatTemplate& its, const std::vector<ChatMessage>& messages) {
    const auto prompt = its.render(messages, goes_on);
    EXPECT_EQ(prompt.status().code(), StatusCode::kInvalidArgument);
    return prompt.status().message();
  };
  EXPECT_EQ(message(*published("qwen3"), {{"user", "Hi"}}),
            "the last message is the user's, expected the assistant's, which goes on");
  EXPECT_EQ(
      message(
          *published("qwen3"),
          {{.role = "assistant", .content = "", .tool_calls = {{.name = "f", .arguments = "{}"}}}}),
      "the last message calls a tool: it has an end and cannot go on");
  // A content without anything before it, from which the template takes all that it has.
  const auto trims = ChatTemplate::create("{{ messages[-1].content | trim }}", "t", {});
  EXPECT_EQ(render(**trims, {{"assistant", " "}}, goes_on).text, "");
  const auto silent = ChatTemplate::create("{{ messages|length }}", "t", {});
  EXPECT_EQ(message(**silent, {{"assistant", "a"}}),
            "the template does not show the content of the last message, which was to go on");
}

TEST(TemplateVariables, AreTypedAndChecked) {
  const auto made = ChatTemplate::create("{{ a.b }}{{ n }}|{{ tools is none }}", "t", {});
  const ChatPrompt prompt =
      render(**made, {}, {.variables = R"({"a": {"b": "<s>"}, "n": [1, 2.5, null, true]})"});
  EXPECT_EQ(prompt.text, "<s>[1, 2.5, None, True]|True");
  ASSERT_EQ(prompt.typed.size(), 1u);
  EXPECT_EQ(prompt.typed[0].end, 3u);
  for (const char* bad : {"[1]", "{"})
    EXPECT_EQ((*made)->render({}, {.variables = bad}).status().code(), StatusCode::kInvalidArgument)
        << bad;
}

bool allows(const Result<Grammar::Ptr>& grammar, std::string_view text) {
  EXPECT_TRUE(grammar.ok()) << grammar.status().message();
  GrammarState state(*grammar);
  return state.accept(text) && state.may_end();
}

TEST(ThinkGrammar, ABlockMayComeBeforeAForm) {
  const auto may_begin = Grammar::from_regex("[0-9]+", ThinkPlace::kMayBegin);
  for (const char* text :
       {"12", "<think></think>12", "<think>\na <b </thin </<think>\n</think>\n\n1"})
    EXPECT_TRUE(allows(may_begin, text)) << text;
  for (const char* text : {"", "<think>12", "<think></think>", "<think></think>a", "a</think>12",
                           "<think></think>         1"})
    EXPECT_FALSE(allows(may_begin, text)) << text;
  const auto inside = Grammar::from_json_schema(R"({"type": "integer"})", ThinkPlace::kInside);
  EXPECT_TRUE(allows(inside, "a</think>\n\n12"));
  EXPECT_TRUE(allows(inside, "</think>12"));
  EXPECT_FALSE(allows(inside, "12"));
  EXPECT_FALSE(allows(inside, "a</think>12</think>12"));
  EXPECT_TRUE(allows(Grammar::from_gbnf("root ::= \"a\"", ThinkPlace::kInside), "x</think>a"));
  EXPECT_TRUE(allows(Grammar::json_object(ThinkPlace::kInside), "x</think>{}"));
}

TEST(ThinkGrammar, ACallInABlockIsNone) {
  ToolCallRules rules = {.tools = {{.name = "f", .parameters = "", .json = ""}}, .must_call = true};
  const std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
  for (const ThinkPlace place : {ThinkPlace::kMayBegin, ThinkPlace::kInside}) {
    const auto grammar = Grammar::from_tool_calls(rules, place);
    const std::string begin = place == ThinkPlace::kInside ? "" : "<think>\n";
    EXPECT_TRUE(allows(grammar, begin + "I <tool_call> it\n</think>\n\n" + call));
    EXPECT_FALSE(allows(grammar, begin + call));
    EXPECT_FALSE(allows(grammar, begin + "</think>4"));
    EXPECT_EQ(allows(grammar, call), place == ThinkPlace::kMayBegin);
  }
  rules.must_call = false;
  const auto grammar = Grammar::from_tool_calls(rules, ThinkPlace::kMayBegin);
  EXPECT_TRUE(allows(grammar, "<think>\nI <tool_call> it\n</think>\n\nSo.\n" + call));
  EXPECT_TRUE(allows(grammar, "<think>\nI add\n</think>\n\n4"));
}

}  // namespace
}  // namespace bitnetc
