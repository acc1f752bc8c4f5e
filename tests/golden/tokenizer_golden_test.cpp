// The bundled tokenizer against ids and texts produced by an independent implementation.

#include <gtest/gtest.h>

#include "tests/frontend/tokenizer/tokenizer_test_util.h"

namespace bitnetc::tokenizer_test {
namespace {

TEST(TokenizerGolden, PromptsAndGreedyTexts) {
  const auto tokenizer = bundled_tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  const json goldens = json::parse(read_source_file("tests/golden/data/goldens.json"));
  ASSERT_EQ(goldens["cases"].size(), 12u);
  for (const json& golden : goldens["cases"]) {
    const auto prompt = golden["prompt"].get<std::string>();
    const auto ids = golden["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(encode(*tokenizer, prompt), ids) << golden["name"];
    EXPECT_EQ(decode(*tokenizer, ids), prompt) << golden["name"];
    const auto greedy_ids = golden["greedy_ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(decode(*tokenizer, greedy_ids, false), golden["greedy_text"].get<std::string>())
        << golden["name"];
  }
}

// Small made-up tokenizers, one for each way of putting components together; ids and texts by
// Hugging Face's tokenizers (0.22.2).
TEST(TokenizerGolden, Components) {
  const json goldens = json::parse(read_source_file("tests/golden/data/tokenizer_components.json"));
  ASSERT_EQ(goldens.size(), 6u);
  for (const auto& [name, golden] : goldens.items()) {
    SCOPED_TRACE(name);
    const auto tokenizer = make_tokenizer(golden["tokenizer"]);
    ASSERT_NE(tokenizer, nullptr);
    ASSERT_GT(golden["cases"].size(), 50u);
    for (const json& one : golden["cases"]) {
      const auto text = one["text"].get<std::string>();
      const auto ids = one["ids"].get<std::vector<int32_t>>();
      EXPECT_EQ(encode(*tokenizer, text, false), ids) << text;
      const auto decoded = one["decoded"].get<std::string>();
      EXPECT_EQ(decode(*tokenizer, ids), decoded) << text;
      StreamDecoder stream(*tokenizer);
      std::string streamed;
      for (const int32_t id : ids) streamed += stream.push(id);
      EXPECT_EQ(streamed + stream.finish(), decoded) << text;
    }
  }
}

TEST(TokenizerGolden, ScoredText) {
  const auto tokenizer = bundled_tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  const json golden = json::parse(read_source_file("tests/golden/data/nll.json"));
  const std::string text = read_source_file("tests/golden/data/nll_text.txt");
  const auto expected = golden["ids"].get<std::vector<int32_t>>();
  std::vector<int32_t> ids = encode(*tokenizer, text, false);
  EXPECT_EQ(decode(*tokenizer, ids), text);
  ASSERT_EQ(expected.size(), 4088u);
  ASSERT_GE(ids.size(), expected.size());
  ids.resize(expected.size());
  EXPECT_EQ(ids, expected);
}

}  // namespace
}  // namespace bitnetc::tokenizer_test
