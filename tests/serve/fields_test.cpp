// Fields of requests: types, ranges, null, what is listed as ignored.
#include "tools/serve/api/fields.h"

#include <gtest/gtest.h>

#include <limits>

namespace bitnetc::serve {
namespace {

std::string blamed(const Json& json, const std::function<void(Fields&)>& read) {
  Fields fields(json);
  read(fields);
  return fields.error() ? fields.error()->param : "";
}

TEST(Fields, NullIsAbsent) {
  const Json json = {{"a", nullptr}, {"b", nullptr}, {"c", nullptr}};
  Fields fields(json);
  EXPECT_FALSE(fields.boolean("a").has_value());
  EXPECT_FALSE(fields.integer("b", 0, 1).has_value());
  EXPECT_TRUE(fields.texts("c", 1, 1).empty());
  fields.refuse("a", "why");
  EXPECT_FALSE(fields.error().has_value());
}

TEST(Fields, TypesAndRangesAreStrict) {
  EXPECT_EQ(blamed({{"a", 1}}, [](Fields& f) { f.boolean("a"); }), "a");
  EXPECT_EQ(blamed({{"a", "1"}}, [](Fields& f) { f.integer("a", 0, 9); }), "a");
  EXPECT_EQ(blamed({{"a", 10}}, [](Fields& f) { f.integer("a", 0, 9); }), "a");
  EXPECT_EQ(blamed({{"a", 1.5}}, [](Fields& f) { f.integer("a", 0, 9); }), "a");
  EXPECT_EQ(blamed({{"a", 1e300}}, [](Fields& f) { f.integer("a", 0, 9); }), "a");
  EXPECT_EQ(blamed({{"a", 2.0}}, [](Fields& f) { EXPECT_EQ(f.integer("a", 0, 9), 2); }), "");
  EXPECT_EQ(blamed({{"a", true}}, [](Fields& f) { f.number("a", 0, 1); }), "a");
  EXPECT_EQ(blamed({{"a", -0.1}}, [](Fields& f) { f.number("a", 0, 1); }), "a");
  EXPECT_EQ(blamed({{"a", 1}}, [](Fields& f) { f.text("a"); }), "a");
  EXPECT_EQ(blamed({{"a", Json::array({"x", 1})}}, [](Fields& f) { f.texts("a", 4, 9); }), "a");
  EXPECT_EQ(blamed({{"a", Json::array({"x", "y"})}}, [](Fields& f) { f.texts("a", 1, 9); }), "a");
  EXPECT_EQ(blamed({{"a", "long"}}, [](Fields& f) { f.texts("a", 1, 3); }), "a");
}

TEST(Fields, WhatIsNotReadOrHasNoEffectIsListed) {
  const Json json = {{"known", 1}, {"user", "u"}, {"odd", 1}, {"empty", nullptr}};
  Fields fields(json, "in.");
  fields.integer("known", 0, 9);
  fields.accept_without_effect({"user", "store"});
  EXPECT_EQ(fields.ignored(), (std::vector<std::string>{"in.user", "in.odd", "in.empty"}));
}

TEST(Fields, WhatIsNotSupportedIsRefusedUnlessItIsHarmless) {
  const auto refuse = [](Fields& f) { f.refuse("a", "why", Json::array()); };
  EXPECT_EQ(blamed({{"a", Json::array({1})}}, refuse), "a");
  EXPECT_EQ(blamed({{"a", Json::array()}}, refuse), "");
  EXPECT_EQ(blamed({{"b", 1}}, refuse), "");
}

TEST(ParseObject, RefusesWhatIsNoObjectOrTooDeep) {
  EXPECT_TRUE(parse_object("{\"a\": [1]}").ok());
  EXPECT_TRUE(parse_object(" \r\n{}").ok());
  for (const char* text : {"", "[]", "1", "{", "{\"a\":}", "{\"a\": 6e666}", "{\"a\": \"\\ud83d\"}",
                           "{} x", "{\"a\": \"\xff\"}"})
    EXPECT_FALSE(parse_object(text).ok()) << text;
  const auto nested = [](size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(parse_object(nested(kMostJsonDepth - 2)).ok());
  EXPECT_FALSE(parse_object(nested(kMostJsonDepth + 1)).ok());
  EXPECT_FALSE(parse_object(nested(500000)).ok());
}

TEST(ParseObject, ErrorsNameTheLimitAndNothingOfTheLibrary) {
  const auto message = [](const std::string& text) {
    const auto read = parse_object(text);
    return read.ok() ? "" : read.error().message;
  };
  std::string keys = "{";
  for (size_t i = 0; i <= kMostJsonKeys; ++i)
    keys += fmt::format("{}\"{}\":1", i == 0 ? "" : ",", i);
  EXPECT_EQ(message(keys + "}"), "the body has an object of more than 4096 keys");
  EXPECT_EQ(message("{\"a\":" + std::string(70, '[')), "the body is nested deeper than 64");
  EXPECT_EQ(message("{,"),
            "the body is no JSON: parse error at line 1, column 2: syntax error while parsing "
            "object key - unexpected ','; expected string literal");
}

TEST(Fields, NumbersThatAreTooLargeAreToldTheUpperBound) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const auto message = [](const Json& json, int64_t least) {
    Fields fields(json);
    fields.integer("a", least, kMost);
    return fields.error() ? fields.error()->message : "";
  };
  const std::string range = "from -9223372036854775808 to 9223372036854775807";
  for (const char* large : {"18446744073709551616", "9223372036854775808", "1e300"})
    EXPECT_TRUE(message({{"a", Json::parse(large)}}, kLeast).ends_with(range)) << large;
  EXPECT_EQ(message({{"a", -1}}, 0), "'a': -1 is not a whole number, 0 or more");
}

TEST(Sse, IsOneDataLineWithABlank) {
  EXPECT_EQ(sse_event({{"a", "x\ny"}}), "data: {\"a\":\"x\\ny\"}\n\n");
  EXPECT_EQ(sse_event({{"a", 1}}, "ping"), "event: ping\ndata: {\"a\":1}\n\n");
}

TEST(Error, SaysWhetherToTryAgain) {
  const auto has = [](const HttpResponse& response, const char* name) {
    return std::ranges::any_of(response.headers,
                               [&](const HttpHeader& each) { return each.name == name; });
  };
  EXPECT_TRUE(has(error_response(queue_is_full()), "retry-after"));
  EXPECT_TRUE(has(error_response(queue_is_full()), "retry-after-ms"));
  EXPECT_TRUE(
      has(error_response(error_of(Status(StatusCode::kDataCorrupt, "x"))), "x-should-retry"));
  EXPECT_TRUE(has(error_response({.status = 401}), "www-authenticate"));
  EXPECT_EQ(error_body(bad_request("m", "p")),
            "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"param\":\"p\","
            "\"code\":null}}");
  EXPECT_EQ(error_body(queue_is_full(), ErrorStyle::kAnthropic),
            "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"as many "
            "requests wait as may wait; try again\"}}");
}

}  // namespace
}  // namespace bitnetc::serve
