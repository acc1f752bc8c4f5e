// JSON schemas: what they accept, what is refused and where, and that whatever a walk through the
// masks writes is valid.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <random>
#include <sstream>

#include "frontend/grammar_filter.h"
#include "frontend/unicode/utf8.h"
#include "tests/frontend/grammar/schema_validator.h"

namespace bitnetc::test {
namespace {

Grammar::Ptr schema(const std::string& text) {
  auto grammar = Grammar::from_json_schema(text);
  EXPECT_TRUE(grammar.ok()) << text << "\n" << grammar.status().message();
  return grammar.ok() ? *grammar : nullptr;
}

bool matches(const Grammar::Ptr& grammar, std::string_view text) {
  GrammarState state(grammar);
  return state.accept(text) && state.may_end();
}

TEST(JsonSchema, AcceptsWhatTheKeywordsSay) {
  const struct {
    std::string schema;
    std::vector<std::string> yes, no;
  } cases[] = {
      {R"({"type":"integer"})", {"0", "-12", "9999999999999999"}, {"01", "1.0", "-", "\"1\""}},
      {R"({"type":"integer","minimum":-5,"maximum":17})",
       {"-5", "-1", "0", "9", "10", "17"},
       {"-6", "18", "-10", "-0", "100"}},
      {R"({"type":"integer","exclusiveMinimum":0,"maximum":1.5})", {"1"}, {"0", "2"}},
      {R"({"type":"integer","minimum":-9007199254740991,"maximum":9007199254740991})",
       {"-9007199254740991", "9007199254740991", "42"},
       {"9007199254740992", "-9007199254740992", "10000000000000000"}},
      {R"({"type":"number"})", {"1", "-0.5", "1e5", "2.5E-07"}, {"1.", ".5", "1e999"}},
      {R"({"type":"number","minimum":0.25,"maximum":1.5})",
       {"0.25", "0.3", "1", "1.0", "1.5", "1.49"},
       {"0.2", "0.249", "1.51", "2", "-1"}},
      {R"({"type":"number","exclusiveMinimum":0})", {"0.1", "1", "1000"}, {"0", "0.0", "-1"}},
      {R"({"type":"number","minimum":-1.5,"exclusiveMaximum":-0.5})",
       {"-1.5", "-1", "-0.51"},
       {"-0.5", "-1.51", "0"}},
      {R"({"type":["string","null"]})", {"null", "\"\"", "\"a\""}, {"1", "\"a"}},
      {R"({"type":"string","minLength":1,"maxLength":2})",
       {R"("a")", R"("é")", R"("\uD83D\uDE00x")", R"("\n\"")", "\"\U0001F600\""},
       {R"("")", R"("abc")", R"("\uD83D")", R"("\uDE00")", "\"\n\""}},
      {R"({"type":"string","pattern":"^[a-c]+$"})", {R"("abc")"}, {R"("abd")", R"("")"}},
      {R"({"type":"string","pattern":"b"})", {R"("abc")", R"("b")"}, {R"("ac")"}},
      {R"({"pattern":"^[\"\\\\\\n]$"})", {R"("\"")", R"("\\")", R"("\n")"}, {R"("a")"}},
      {R"({"type":"string","format":"date"})", {R"("2024-12-31")"}, {R"("2024-13-01")"}},
      {R"({"type":"string","format":"date-time"})",
       {R"("2024-12-31T23:59:59Z")", R"("2024-01-02T03:04:05.5+01:00")"},
       {R"("2024-12-31")"}},
      {R"({"type":"string","format":"ipv4"})", {R"("127.0.0.1")"}, {R"("256.0.0.1")"}},
      {R"({"type":"string","format":"email"})", {R"("a.b@c-d.org")"}, {R"("a.b")"}},
      {R"({"enum":["a",1,null,{"b":[true]}]})", {R"("a")", "1", "null", R"({"b":[true]})"}, {"2"}},
      {R"({"const":"x","type":"string"})", {R"("x")"}, {R"("y")"}},
      {R"({"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2})",
       {"[true]", "[true, false]", "[\n  true,\n  false\n]"},
       {"[]", "[true,true,true]", "[1]"}},
      {R"({"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3}})",
       {"[]", "[1]", "[1,2]", "[1,2,3,3]"},
       {"[2]", "[1,3]", "[1,2,2]"}},
      {R"({"prefixItems":[{"const":1},{"const":2}],"items":false,"minItems":2})",
       {"[1,2]"},
       {"[1]", "[1,2,3]"}},
      {R"({"type":"object","properties":{"b":{"const":1},"a":{"const":2},"c":{"const":3}},
           "required":["a"],"additionalProperties":false})",
       {R"({"a":2})", R"({"b":1,"a":2})", R"({"b":1, "a":2, "c":3})", R"({"a":2,"c":3})"},
       {R"({})", R"({"b":1})", R"({"a":2,"b":1})", R"({"a":2,"d":1})", R"({,"a":2})"}},
      {R"({"properties":{"ab":{"const":1}},"additionalProperties":{"type":"null"}})",
       {R"({})", R"({"ab":1})", R"({"ab":1,"x":null})", R"({"a":null,"abc":null,"":null})"},
       {R"({"ab":null})", R"({"x":1})"}},
      {R"({"required":["x"],"properties":{}})", {R"({"x":[1,{"y":2}]})"}, {"{}"}},
      {R"({"anyOf":[{"type":"integer"},{"const":"x"}]})", {"1", R"("x")"}, {"true"}},
      {R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},
                    {"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]})",
       {R"({"k":"a"})", R"({"k":"b"})"},
       {R"({"k":"c"})"}},
      {R"({"allOf":[{"type":"object","properties":{"a":{"const":1}},"required":["a"]},
                    {"properties":{"b":{"const":2}},"required":["b"]}]})",
       {R"({"a":1,"b":2})"},
       {R"({"a":1})"}},
      {R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},
           "next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"],
           "additionalProperties":false}}})",
       {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
       {R"({"v":1})"}},
      {"{}", {"1", R"({"a":[1,{}]})", "null"}, {"{,}"}},
  };
  for (const auto& each : cases) {
    const Grammar::Ptr grammar = schema(each.schema);
    ASSERT_NE(grammar, nullptr);
    const SchemaValidator validator(json::parse(each.schema));
    for (const std::string& text : each.yes) {
      EXPECT_TRUE(matches(grammar, text)) << each.schema << "\n" << text;
      EXPECT_TRUE(validator.valid(json::parse(text))) << each.schema << "\n" << text;
    }
    for (const std::string& text : each.no)
      EXPECT_FALSE(matches(grammar, text)) << each.schema << "\n" << text;
  }
}

TEST(JsonSchema, ErrorsNameThePlace) {
  const struct {
    std::string schema, said;
  } cases[] = {
      {"", "not valid JSON"},
      {"[]", "expected a schema"},
      {R"({"a":1,"a":2})", "duplicate key"},
      {R"({"properties":{"a/b":{"multipleOf":2}}})", "#/properties/a/b/multipleOf: this keyword"},
      {R"({"type":"array","items":{"type":"strin"}})", "#/items/type: expected array"},
      {R"({"uniqueItems":true})", "#/uniqueItems"},
      {R"({"$ref":"#/$defs/x"})", "expected a place that is there"},
      {R"({"$ref":"http://x"})", "expected a place in this document"},
      {R"({"$ref":"#"})", "rule # matches no text"},
      {R"({"type":"string","format":"uri"})", "#/format"},
      {R"g({"type":"string","pattern":"(?=a)"})g", "look-around"},
      {R"({"type":"string","pattern":"a","minLength":2})", "expected only one of"},
      {R"({"type":"integer","minimum":3,"maximum":2})", "no whole number is between"},
      {R"({"type":"number","minimum":3,"exclusiveMaximum":3})", "no number is between"},
      {R"({"enum":[]})", "none of the values is valid"},
      {R"({"enum":[1],"minimum":0})", "#/minimum: this keyword is not supported beside"},
      {R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "exclude each other"},
      {R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", "pattern differs"},
      {R"({"type":"array","minItems":2,"maxItems":1})", "minItems is above maxItems"},
      {R"({"type":"string","maxLength":-1})", "#/maxLength"},
      {R"({"type":"object","properties":{"n":{"$ref":"#"}},"required":["n"]})", "matches no text"},
      {"false", "nothing is valid"},
  };
  for (const auto& each : cases) {
    const auto grammar = Grammar::from_json_schema(each.schema);
    ASSERT_FALSE(grammar.ok()) << each.schema;
    EXPECT_NE(grammar.status().message().find(each.said), std::string::npos)
        << each.schema << "\n"
        << grammar.status().message();
  }
}

TEST(JsonSchema, ChainsOfReferencesAreNoRecursion) {
  constexpr int kDefinitions = 150, kLevels = 30;
  std::string definitions;
  for (int i = 0; i < kDefinitions; ++i) {
    std::string body = i + 1 < kDefinitions ? fmt::format(R"({{"$ref":"#/$defs/{}"}})", i + 1)
                                            : R"({"type":"null"})";
    for (int level = 0; level < kLevels; ++level) body = R"({"items":)" + body + "}";
    definitions += fmt::format(R"({}"{}":{})", i == 0 ? "" : ",", i, body);
  }
  const Grammar::Ptr grammar = schema(R"({"$ref":"#/$defs/0","$defs":{)" + definitions + "}}");
  ASSERT_NE(grammar, nullptr);
  const std::string open(size_t{kDefinitions} * kLevels, '[');
  const std::string close(size_t{kDefinitions} * kLevels, ']');
  EXPECT_TRUE(matches(grammar, open + "null" + close));
  EXPECT_FALSE(matches(grammar, "[" + open + "null" + close + "]"));
}

TEST(JsonSchema, ManyAlternativesAreReadQuickly) {
  std::string constants, objects;
  for (int i = 0; i < 3500; ++i) constants += fmt::format(R"({}{{"const":{}}})", i ? "," : "", i);
  for (int i = 0; i < 800; ++i)
    objects +=
        fmt::format(R"({}{{"type":"object","properties":{{"t":{{"const":{}}}}},"required":["t"]}})",
                    i ? "," : "", i);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(matches(schema(R"({"oneOf":[)" + constants + "]}"), "3499"));
  EXPECT_TRUE(matches(schema(R"({"oneOf":[)" + objects + "]}"), R"({"t":799})"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  for (const char* overlapping :
       {R"({"oneOf":[{"const":1},{"enum":[0,1.0]}]})", R"({"oneOf":[{"const":1},true]})",
        R"({"oneOf":[{"type":["null","integer"]},{"type":["number","string"]}]})",
        R"({"oneOf":[{"type":"object","properties":{"a":{"const":1}},"required":["a"]},
                     {"type":"object","properties":{"a":{"const":2}}}]})"}) {
    const auto grammar = Grammar::from_json_schema(overlapping);
    ASSERT_FALSE(grammar.ok()) << overlapping;
    EXPECT_NE(grammar.status().message().find("0 and 1 may not"), std::string::npos) << overlapping;
  }
}

// Each way joins a large schema with 60 references behind it.
TEST(JsonSchema, JoinsOfReferencesAreReadQuickly) {
  std::string ways, large, definitions;
  for (int i = 0; i < 500; ++i)
    ways += fmt::format(R"({}{{"$ref":"#/$defs/0","minimum":{}}})", i ? "," : "", i);
  for (int i = 0; i < 2500; ++i) large += fmt::format(R"({}"p{}":{{}})", i ? "," : "", i);
  large = R"("properties":{)" + large + "},";
  for (int i = 0; i < 60; ++i)
    definitions += fmt::format(R"("{}":{{{}"$ref":"#/$defs/{}","minLength":1}},)", i,
                               i == 0 ? large : "", i + 1);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(matches(
      schema(R"({"anyOf":[)" + ways + R"(],"$defs":{)" + definitions + R"("60":{"type":"null"}}})"),
      "null"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST(JsonSchema, ManyOptionalPropertiesStaySmall) {
  std::string properties;
  for (int i = 0; i < 100; ++i)
    properties += fmt::format(R"({}"property_{}":{{"type":"integer"}})", i == 0 ? "" : ",", i);
  const Grammar::Ptr grammar =
      schema(R"({"type":"object","additionalProperties":false,"properties":{)" + properties + "}}");
  ASSERT_NE(grammar, nullptr);
  EXPECT_LT(grammar->states(), 20'000);
  EXPECT_TRUE(matches(grammar, R"({"property_0":1,"property_50":2,"property_99":3})"));
  EXPECT_FALSE(matches(grammar, R"({"property_50":1,"property_0":2})"));
}

TEST(JsonObject, IsAnyObject) {
  const auto grammar = Grammar::json_object();
  ASSERT_TRUE(grammar.ok()) << grammar.status().message();
  EXPECT_TRUE(matches(*grammar, R"({"a": [1, {"b": null}], "c": "\u00e9"})"));
  EXPECT_FALSE(matches(*grammar, "[]"));
  EXPECT_FALSE(matches(*grammar, "{\"a\":1,}"));
}

TEST(Regex, MatchesFromEndToEnd) {
  const struct {
    std::string pattern;
    std::vector<std::string> yes, no;
  } cases[] = {
      {"a+b?", {"a", "aab"}, {"", "ba", "abb"}},
      {"^(foo|ba[rz])$", {"foo", "bar", "baz"}, {"ba"}},
      {R"(\d{3}-\w{2,}\.\s?)", {"123-ab. ", "000-_9x."}, {"12-ab."}},
      {"[^\\n\\d]*?x", {"x", "éx"}, {"1x"}},
      {R"((?:\x41|\u00e9)[\]\-a])", {"A]", "é-"}, {"AA"}},
      {".", {"a", "€"}, {"\n", ""}},
      {"", {""}, {"a"}},
  };
  for (const auto& each : cases) {
    const auto grammar = Grammar::from_regex(each.pattern);
    ASSERT_TRUE(grammar.ok()) << each.pattern << "\n" << grammar.status().message();
    for (const std::string& text : each.yes) EXPECT_TRUE(matches(*grammar, text)) << each.pattern;
    for (const std::string& text : each.no) EXPECT_FALSE(matches(*grammar, text)) << each.pattern;
  }
  for (const char* pattern :
       {"(a", "a)", "[a", "[]", "a{2,1}", "*a", "a**", "(?<n>a)", "(?!a)", "\\1", "\\b", "\\p{L}",
        "a^b", "a$b", "\\", "[b-a]", "a{x}", "\\ud800"})
    EXPECT_FALSE(Grammar::from_regex(pattern).ok()) << pattern;
  for (const char* open : {"(yes|no", "[a-z", "[a-"}) {
    const std::string message(Grammar::from_regex(open).status().message());
    EXPECT_TRUE(message.ends_with("found the end")) << message;
  }
}

// Bytes, pieces of characters, common pieces of JSON and letters.
std::vector<std::string> vocabulary() {
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.emplace_back(1, static_cast<char>(byte));
  for (const char* each :
       {"{\"",     "\":",        "\": ", "\",\"", "\", \"", "\"}",          "\"]",
        "},{",     "[{",         "}]",   "true",  "false",  "null",         "\\u",
        "\\uD83D", "\\uDE00",    "00",   "12",    "-1",     "\xF0\x9F\x98", "\xE2\x82",
        "\u00e9",  "\U0001F600", "name", "id",    "the "})
    texts.emplace_back(each);
  return texts;
}

// A walk that prefers to end once it is long.
std::string walk(GrammarFilter filter, const std::vector<std::string>& texts,
                 std::mt19937& random) {
  const auto end_id = static_cast<int32_t>(texts.size());
  std::string text;
  for (int count = 0; count < 4'000; ++count) {
    const std::vector<uint64_t> mask(filter.allowed().begin(), filter.allowed().end());
    std::vector<int32_t> ids;
    for (int32_t id = 0; id <= end_id; ++id)
      if ((mask[static_cast<size_t>(id) / 64] >> id % 64 & 1) != 0) ids.push_back(id);
    if (ids.empty()) break;
    int32_t id = ids[random() % ids.size()];
    if (count > 60)
      for (const char* closer : {"\"", "}", "]", "null", "0"})
        for (const int32_t each : ids)
          if (each < end_id && texts[static_cast<size_t>(each)] == closer && random() % 2 == 0)
            id = each;
    if (ids.back() == end_id && (count > 60 || random() % 3 == 0)) id = end_id;
    EXPECT_TRUE(filter.accept(id));
    if (id == end_id) return text;
    text += texts[static_cast<size_t>(id)];
  }
  ADD_FAILURE() << "no end: " << text.substr(0, 300);
  return text;
}

TEST(JsonSchema, WhatMasksLetThroughIsValid) {
  std::ifstream file(std::string(BITNETC_SOURCE_DIR) + "/tests/frontend/grammar/schemas.json");
  const json schemas = json::parse(file);
  ASSERT_GE(schemas.size(), 50u);
  const std::vector<std::string> texts = vocabulary();
  const auto trie = std::make_shared<const TokenTrie>(texts);
  std::mt19937 random(4);
  for (const json& each : schemas) {
    const auto grammar = Grammar::from_json_schema(each.dump());
    ASSERT_TRUE(grammar.ok()) << each << "\n" << grammar.status().message();
    const auto masks = std::make_shared<TokenMasks>(
        *grammar, trie, std::vector<int32_t>{static_cast<int32_t>(texts.size())});
    for (int round = 0; round < 20; ++round) {
      const std::string text = walk(GrammarFilter(masks), texts, random);
      EXPECT_EQ(find_invalid_utf8(text), std::string::npos);
      const json value = json::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << each << "\n" << text;
      ASSERT_TRUE(SchemaValidator(each).valid(value)) << each << "\n" << text;
    }
  }
}

}  // namespace
}  // namespace bitnetc::test
