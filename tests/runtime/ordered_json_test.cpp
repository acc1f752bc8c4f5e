// JSON from outside: order and repetition of keys, limits, and time that is linear in its length.
#include "runtime/ordered_json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "runtime/printable.h"
#include "tests/support/expect_error.h"

namespace bitnetc::test {
namespace {

std::string repeated(const std::string& text, size_t bytes) {
  std::string all;
  while (all.size() + text.size() < bytes) all += text;
  return all;
}

std::string object_of_keys(size_t count) {
  std::string text = "{";
  for (size_t i = 0; i < count; ++i) text += fmt::format("{}\"{}\":1", i == 0 ? "" : ",", i);
  return text + "}";
}

TEST(OrderedJson, KeepsTheOrderAndTheLastValueOfAKey) {
  const auto read = parse_ordered_json(R"( {"b":1,"a":[{},[],"x"],"b":{"c":null},"d":-2.5} )");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->dump(), R"({"b":{"c":null},"a":[{},[],"x"],"d":-2.5})");
  std::string many = object_of_keys(100);
  many.back() = ',';
  const auto repeats = parse_ordered_json(many + R"("7":2,"100":3,"100":4})");
  ASSERT_TRUE(repeats.ok()) << repeats.status().message();
  EXPECT_EQ(repeats->size(), 101u);
  EXPECT_EQ((*repeats)["7"], 2);
  EXPECT_EQ((*repeats)["100"], 4);
  EXPECT_EQ(parse_ordered_json("18446744073709551615")->dump(), "18446744073709551615");
}

TEST(OrderedJson, LimitsAreNamed) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_ordered_json(nested(64)).ok());
  expect_error(parse_ordered_json(nested(65)), StatusCode::kUnsupported,
               {"is nested deeper than 64"});
  expect_error(parse_ordered_json(std::string(1'000'000, '[')), StatusCode::kUnsupported, {"64"});
  EXPECT_TRUE(parse_ordered_json(object_of_keys(4096)).ok());
  expect_error(parse_ordered_json(object_of_keys(4097)), StatusCode::kUnsupported,
               {"has an object of more than 4096 keys"});
}

TEST(OrderedJson, ErrorsSayThePlaceAndNothingOfTheLibrary) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("{\"a\":}"), std::string("1 2"),
        std::string("6e666"), std::string("\"\\ud83d\""), std::string("\"\xff\""),
        std::string("{}\0{", 4)}) {
    const auto read = parse_ordered_json(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(read.status().message().find("json.exception"), std::string::npos)
        << read.status().message();
  }
  expect_error(parse_ordered_json("{\n\"a\":}"), StatusCode::kInvalidArgument,
               {"line 2, column 5"});
}

// Each would take minutes if its time went by the square of its length.
TEST(OrderedJson, TimeIsLinearInTheLengthWhateverTheShape) {
  constexpr size_t kBytes = size_t{2} << 20;
  const std::string full = object_of_keys(4096);
  std::string nested = "1";  // each object holds the others first and many keys behind
  for (int i = 0; i < 60; ++i) nested = "{\"a\":" + nested + "," + object_of_keys(4000).substr(1);
  const std::string bodies[] = {
      "[" + repeated("{},", kBytes) + "{}]",         "[" + repeated("{\"a\":{}},", kBytes) + "1]",
      "[" + repeated("[],", kBytes) + "1]",          "[" + repeated(full + ",", kBytes) + "1]",
      "[" + repeated("\"\\u0041\",", kBytes) + "1]", nested};
  for (const std::string& body : bodies) {
    const auto begin = std::chrono::steady_clock::now();
    const auto read = parse_ordered_json(body);
    EXPECT_TRUE(read.ok()) << read.status().message();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10))
        << printable(body, 40);
  }
}

}  // namespace
}  // namespace bitnetc::test
