// Calls of tools: which texts the forms allow, what is read from them however they are cut, and
// what templates are told.
#include "frontend/tool_calls.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "frontend/chat.h"
#include "frontend/grammar.h"

namespace bitnetc {
namespace {

using Kind = AnswerPart::Kind;

ChatTool tool(const std::string& name, const std::string& parameters) {
  return {.name = name,
          .parameters = parameters,
          .json = R"({"type": "function", "function": {"name": ")" + name + R"("}})"};
}

ToolCallRules rules(ToolCallForm form) {
  return {.form = form,
          .tools = {tool("add", R"({"type": "object", "properties": {"n": {"type": "integer"}},
                                    "required": ["n"]})"),
                    tool("stop", "")}};
}

bool allows(const ToolCallRules& its, std::string_view text) {
  const auto grammar = Grammar::from_tool_calls(its);
  EXPECT_TRUE(grammar.ok()) << grammar.status().message();
  if (!grammar.ok()) return false;
  GrammarState state(*grammar);
  return state.accept(text) && state.may_end();
}

// Kinds and texts, what belongs together joined, with cuts at random.
std::vector<AnswerPart> read(ToolCallForm form, std::string_view text, uint32_t seed) {
  std::mt19937 random(seed);
  ToolCallReader reader(form);
  std::vector<AnswerPart> parts;
  const auto add = [&](const std::vector<AnswerPart>& more) {
    for (const AnswerPart& each : more) {
      const bool goes_on = !parts.empty() && parts.back().kind == each.kind &&
                           (each.kind == Kind::kText || each.kind == Kind::kArguments);
      if (goes_on)
        parts.back().text += each.text;
      else
        parts.push_back(each);
    }
  };
  while (!text.empty()) {
    const size_t size = std::min<size_t>(text.size(), 1 + random() % 7);
    add(reader.push(text.substr(0, size)));
    text.remove_prefix(size);
  }
  add(reader.finish());
  return parts;
}

constexpr char kTagged[] =
    "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"n\": 1}}\n</tool_call>";
constexpr char kTaggedList[] =
    "<tool_call>\n[\n  {\"name\": \"add\", \"arguments\": {\"n\": 1}},\n"
    "  {\"name\": \"stop\", \"arguments\": {}}\n]\n</tool_call>";
constexpr char kBare[] = "{\"name\": \"add\", \"parameters\": {\"n\": 1}}";

TEST(ToolCallGrammar, AllowsTextsAndCallsBehindThem) {
  const ToolCallRules its = rules(ToolCallForm::kTagged);
  for (const std::string text : {"", "Hello", "a < b <tool> <tool_cal", "<<tool_call", "größer\n"})
    EXPECT_TRUE(allows(its, text)) << text;
  EXPECT_TRUE(allows(its, kTagged));
  EXPECT_TRUE(allows(its, std::string("I add.\n") + kTagged + "\n" + kTagged));
  EXPECT_TRUE(allows(its, std::string("<tool_call<") + kTagged));
  const std::string call = kTagged;
  EXPECT_FALSE(allows(its, "<tool_call>"));
  EXPECT_FALSE(allows(its, call.substr(0, call.size() - 1)));
  EXPECT_FALSE(allows(its, call + "and"));
  EXPECT_FALSE(allows(its, "<tool_call>\n{\"name\": \"sub\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(allows(its, "<tool_call>\n{\"name\": \"add\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_TRUE(allows(its,
                     "<tool_call>\n{\"name\": \"stop\", \"arguments\": {\"x\": []}}"
                     "\n</tool_call>"));
}

TEST(ToolCallGrammar, HonoursWhatARequestMayAskFor) {
  ToolCallRules its = rules(ToolCallForm::kTagged);
  its.must_call = true;
  EXPECT_FALSE(allows(its, ""));
  EXPECT_FALSE(allows(its, std::string("I add.\n") + kTagged));
  EXPECT_TRUE(allows(its, std::string(kTagged) + "\n" + kTagged));
  its.may_call_many = false;
  EXPECT_TRUE(allows(its, kTagged));
  EXPECT_FALSE(allows(its, std::string(kTagged) + "\n" + kTagged));
  its.must_call = false;
  its.text_schema = R"({"enum": ["yes", "no"]})";
  EXPECT_TRUE(allows(its, "\"no\""));
  EXPECT_TRUE(allows(its, kTagged));
  EXPECT_FALSE(allows(its, "no"));
  EXPECT_FALSE(allows(its, ""));
}

TEST(ToolCallGrammar, KnowsTheFormsOfOtherFamilies) {
  EXPECT_TRUE(allows(rules(ToolCallForm::kTaggedList), kTaggedList));
  EXPECT_TRUE(allows(rules(ToolCallForm::kTaggedList), std::string("Yes. ") + kTaggedList));
  EXPECT_FALSE(allows(rules(ToolCallForm::kTaggedList), kTagged));
  EXPECT_TRUE(allows(rules(ToolCallForm::kBareJson), kBare));
  EXPECT_TRUE(allows(rules(ToolCallForm::kBareJson), "a {\"name\"}"));
  EXPECT_TRUE(allows(rules(ToolCallForm::kBareJson), ""));
  EXPECT_FALSE(allows(rules(ToolCallForm::kBareJson), "{\"a\": 1}"));
  EXPECT_FALSE(allows(rules(ToolCallForm::kBareJson), std::string(kBare) + kBare));
}

TEST(ToolCallGrammar, RefusedSchemasNameTheTool) {
  ToolCallRules its = rules(ToolCallForm::kTagged);
  its.tools.push_back(tool("bad", R"({"type": "object", "not": {}})"));
  const auto grammar = Grammar::from_tool_calls(its);
  EXPECT_EQ(grammar.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(grammar.status().message().find("parameters of bad"), std::string::npos)
      << grammar.status().message();
  its.tools.back().parameters = "{";
  EXPECT_EQ(Grammar::from_tool_calls(its).status().code(), StatusCode::kInvalidArgument);
}

TEST(ToolCallGrammar, SchemasOfAllToolsTogetherHaveALimit) {
  ToolCallRules its;
  const std::string large = R"({"description": ")" + std::string(60'000, 'a') + R"("})";
  for (int i = 0; i < 8; ++i) its.tools.push_back(tool("tool_" + std::to_string(i), large));
  EXPECT_TRUE(Grammar::from_tool_calls(its).ok());
  its.tools.push_back(tool("one_more", large));
  const auto refused = Grammar::from_tool_calls(its);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("of all tools together: expected at most 524288"),
            std::string::npos)
      << refused.status().message();
}

TEST(ToolCallReader, ReadsTheSameHoweverTheTextIsCut) {
  const AnswerPart call = {Kind::kCall, "add"}, arguments = {Kind::kArguments, "{\"n\": 1}"},
                   end = {Kind::kCallEnd, ""};
  for (uint32_t seed = 0; seed < 200; ++seed) {
    EXPECT_EQ(
        read(ToolCallForm::kTagged, std::string("I < add. \n") + kTagged + "\n" + kTagged, seed),
        (std::vector<AnswerPart>{
            {Kind::kText, "I < add."}, call, arguments, end, call, arguments, end}));
    EXPECT_EQ(read(ToolCallForm::kTaggedList, kTaggedList, seed),
              (std::vector<AnswerPart>{
                  call, arguments, end, {Kind::kCall, "stop"}, {Kind::kArguments, "{}"}, end}));
    EXPECT_EQ(read(ToolCallForm::kBareJson, kBare, seed),
              (std::vector<AnswerPart>{call, arguments, end}));
    EXPECT_EQ(read(ToolCallForm::kBareJson, "I {add}", seed),
              (std::vector<AnswerPart>{{Kind::kText, "I {add}"}}));
    // What looks like a call and its white space is text if none comes.
    EXPECT_EQ(read(ToolCallForm::kTagged, " a <tool_c \n", seed),
              (std::vector<AnswerPart>{{Kind::kText, " a <tool_c \n"}}));
  }
}

TEST(ToolCallReader, BracketsAndQuotesInsideStringsEndNothing) {
  const std::string arguments = R"({"s": "}]\"{\\", "l": [{"a": "[\\\""}], "e": {}})";
  const std::string text =
      "<tool_call>\n{\"name\": \"stop\", \"arguments\": " + arguments + "}\n</tool_call>";
  for (uint32_t seed = 0; seed < 50; ++seed)
    EXPECT_EQ(read(ToolCallForm::kTagged, text, seed),
              (std::vector<AnswerPart>{
                  {Kind::kCall, "stop"}, {Kind::kArguments, arguments}, {Kind::kCallEnd, ""}}));
}

TEST(ToolCallReader, ACallThatIsCutIsOpen) {
  ToolCallReader reader(ToolCallForm::kTagged);
  EXPECT_EQ(reader.push("<tool_call>\n{\"name\": \"add\", \"arguments\": {\"n\"").size(), 2u);
  EXPECT_TRUE(reader.is_in_call());
  EXPECT_EQ(reader.calls(), 1);
  EXPECT_TRUE(reader.finish().empty());
}

std::string rendered(std::string_view source, const std::vector<ChatMessage>& messages,
                     const std::vector<ChatTool>& tools, ToolCallForm form) {
  const auto made = ChatTemplate::create(source, "t", {});
  EXPECT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ((*made)->tool_call_form(), form);
  const auto prompt = (*made)->render(messages, {.tools = tools});
  EXPECT_TRUE(prompt.ok()) << prompt.status().message();
  return prompt.ok() ? prompt->text : "";
}

const std::vector<ChatMessage> kTalk = {
    {"user", "one?"},
    {.role = "assistant",
     .content = "",
     .tool_calls = {{.id = "c1", .name = "add", .arguments = R"({"n": 1.0, "b": 2})"}}},
    {.role = "tool", .content = "2", .tool_call_id = "c1"},
    {.role = "tool", .content = "3", .tool_call_id = "c2"},
    {"user", "and?"}};

TEST(ToolsInTemplates, AreGivenAsTheyWereSaid) {
  EXPECT_EQ(rendered("{% for t in tools %}{{ t | tojson }}{% endfor %}<tool_call>"
                     "{% for m in messages %}|{{ m.role }}:{{ m.content }}{{ m.tool_call_id }}"
                     "{% for c in m.tool_calls %}{{ c.id }} {{ c.function.name }} "
                     "{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}",
                     kTalk, {tool("add", "")}, ToolCallForm::kTagged),
            "{\"type\": \"function\", \"function\": {\"name\": \"add\"}}<tool_call>"
            "|user:one?|assistant:c1 add {\"n\": 1.0, \"b\": 2}|tool:2c1|tool:3c2|user:and?");
  EXPECT_EQ(rendered("{% if tools %}x{% endif %}<tool_call>\n[", {{"user", "a"}}, {},
                     ToolCallForm::kTaggedList),
            "<tool_call>\n[");
  EXPECT_EQ(rendered("{% if tools %}{\"name\", \"parameters\"}{% endif %}", {{"user", "a"}},
                     {tool("add", "")}, ToolCallForm::kBareJson),
            "{\"name\", \"parameters\"}");
}

TEST(ToolsInTemplates, AreToldInTextsWhereTheTemplateKnowsNothingOfThem) {
  constexpr char kPlain[] = "{% for m in messages %}{{ m.role }}:{{ m.content }}|{% endfor %}";
  EXPECT_EQ(rendered(kPlain, kTalk, {}, ToolCallForm::kTagged),
            "user:one?|assistant:<tool_call>\n{\"name\": \"add\", \"arguments\": "
            "{\"n\": 1.0, \"b\": 2}}\n</tool_call>|user:<tool_response>\n2\n</tool_response>\n"
            "<tool_response>\n3\n</tool_response>|user:and?|");
  const std::string told = rendered(kPlain, {{"system", "Be brief."}, {"user", "Hi"}},
                                    {tool("add", ""), tool("stop", "")}, ToolCallForm::kTagged);
  EXPECT_TRUE(told.starts_with("system:Be brief.\n\nYou can call these functions.")) << told;
  EXPECT_TRUE(told.ends_with("|user:Hi|")) << told;
  for (const char* part : {R"({"type": "function", "function": {"name": "stop"}})",
                           "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {}}\n</tool_call>"})
    EXPECT_NE(told.find(part), told.npos) << part;
}

}  // namespace
}  // namespace bitnetc
