// bitnetc perplexity: against the golden likelihood of the bundled model, and against itself.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/frontend/tokenizer/tokenizer_test_util.h"
#include "tests/support/cli_fixture.h"

namespace bitnetc::test {
namespace {

using nlohmann::json;
using tokenizer_test::read_source_file;

constexpr int kUsage = 2, kBadModel = 3;

class Perplexity : public CliFixture {
 protected:
  json score(std::vector<std::string> arguments, const std::string& text) {
    arguments.insert(arguments.begin(), {"perplexity", "--json", "-q"});
    const ProcessResult result = bitnetc(std::move(arguments), {}, text);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out);
  }
  static double total_nll(const json& score) {
    return score["mean_nll"].get<double>() * score["scored_tokens"].get<double>();
  }
};

TEST_F(Perplexity, IsThatOfTheGolden) {
  const json golden = json::parse(read_source_file("tests/golden/data/nll.json"));
  const json goldens = json::parse(read_source_file("tests/golden/data/goldens.json"));
  const std::string text = read_source_file("tests/golden/data/nll_text.txt")
                               .substr(0, golden["text_bytes_of_scored_ids"].get<size_t>());
  const json result =
      score({"--window", "511", "--stride", "511", "--keep-newline", "-t", "2"}, text);
  EXPECT_EQ(result["scored_tokens"], golden["n_targets"]);
  EXPECT_EQ(result["windows"], 8);
  EXPECT_EQ(result["begin_of_text"], true);
  EXPECT_NEAR(result["mean_nll"].get<double>(), golden["mean_nll"].get<double>(),
              goldens["suggested_tolerance"]["nll_abs"].get<double>());
  EXPECT_NEAR(result["bits_per_byte"].get<double>(), golden["bits_per_byte"].get<double>(), 0.002);
  EXPECT_NEAR(result["perplexity"].get<double>(), std::exp(result["mean_nll"].get<double>()), 1e-9);
}

// What the types of keys and values round changes little, and f32 less than i8.
TEST_F(Perplexity, OfEveryTypeOfKeysAndValues) {
  const std::string text = read_source_file("tests/golden/data/nll_text.txt").substr(0, 1500);
  std::map<std::string, double> nll;
  for (const char* type : {"f16", "f32", "i8"}) {
    const json result = score({"--kv", type}, text);
    EXPECT_EQ(result["kv_type"], type);
    nll[type] = result["mean_nll"].get<double>();
  }
  EXPECT_EQ(score({}, text)["mean_nll"].get<double>(), nll["f16"]);
  EXPECT_NE(nll["f32"], nll["f16"]);
  EXPECT_NE(nll["i8"], nll["f16"]);
  EXPECT_NEAR(nll["f32"], nll["f16"], 2e-3);
  EXPECT_NEAR(nll["i8"], nll["f16"], 2e-2);
}

TEST_F(Perplexity, EveryTokenIsScoredOnceWhateverTheWindows) {
  const std::string text = read_source_file("tests/golden/data/nll_text.txt").substr(0, 400);
  const json whole = score({}, text);
  const auto tokens = whole["tokens"].get<int64_t>();
  ASSERT_GT(tokens, 64);
  EXPECT_EQ(whole["windows"], 1);
  for (const int64_t stride : {1, 5, 16}) {
    const json strided = score({"--window", "16", "--stride", std::to_string(stride)}, text);
    EXPECT_EQ(strided["scored_tokens"], tokens);
    EXPECT_EQ(strided["windows"], 1 + (tokens - 16 + stride - 1) / stride);
    EXPECT_GT(total_nll(strided), total_nll(whole));  // less context
  }
  EXPECT_EQ(score({"--window", "16", "-t", "1"}, text)["mean_nll"],
            score({"--window", "16", "-t", "2"}, text)["mean_nll"]);
}

TEST_F(Perplexity, APairIsTheDifferenceOfTwoTexts) {
  const std::string context = "Once upon a time there was", continuation = " a little mouse.";
  const std::string file = folder_.file("pairs.jsonl");
  const json line = {{"context", context}, {"continuation", continuation}, {"label", 3}};
  const json moved = {{"context", context + " "}, {"continuation", continuation.substr(1)}};
  write_file(file, line.dump() + "\n\n" + moved.dump() + "\n");
  const json pairs = score({"--pairs", file}, "")["pairs"];
  ASSERT_EQ(pairs.size(), 2u);
  const json shorter = score({}, context), longer = score({}, context + continuation);
  EXPECT_NEAR(pairs[0]["log_probability"].get<double>(), total_nll(shorter) - total_nll(longer),
              1e-4);
  EXPECT_EQ(pairs[0]["tokens"].get<int64_t>(),
            longer["tokens"].get<int64_t>() - shorter["tokens"].get<int64_t>());
  EXPECT_EQ(pairs[1], pairs[0]);
}

TEST_F(Perplexity, SaysWhatItCannotScore) {
  const auto expect = [&](std::vector<std::string> arguments, const std::string& input, int code,
                          const std::string& message) {
    arguments.insert(arguments.begin(), "perplexity");
    const ProcessResult result = bitnetc(arguments, {}, input);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
  };
  expect({"--window", "1"}, "Once", kUsage, "a window of 1 tokens: expected 2 to 1024");
  expect({"--window", "1025"}, "Once", kUsage, "a window of 1025 tokens: expected 2 to 1024");
  expect({"--window", "8", "--stride", "9"}, "Once", kUsage, "a stride of 9 tokens");
  expect({"-p", ""}, "", kUsage, "none to score");
  const std::string file = folder_.file("pairs.jsonl");
  expect({"--pairs", file}, "", kBadModel, "No such file");
  write_file(file, "{\"context\": \"a\", \"continuation\": \"b\"}\n[1]\n");
  expect({"--pairs", file}, "", kBadModel, "line 2: '[1]': expected a JSON object on each line");
  write_file(file, "{\"context\": \"a\", \"continuation\": \"\"}\n");
  expect({"--pairs", file}, "", kBadModel, "line 1: continuation: expected a text");
  write_file(file, "\n");
  expect({"--pairs", file}, "", kUsage, "no pairs in it");
  expect({"--pairs", file, "--keep-newline"}, "", kUsage, "--pairs and --keep-newline: expected");
  expect({"--pairs", file, "-p", "x"}, "", kUsage, "--pairs and -p: expected one of them");
}

}  // namespace
}  // namespace bitnetc::test
