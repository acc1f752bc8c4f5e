// Folders whose tokenizer is a tokenizer.model, with and without tokens beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "frontend/export.h"
#include "frontend/load.h"
#include "tests/support/expect_error.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

constexpr char kModelFile[] = BITNETC_SOURCE_DIR "/tests/frontend/tokenizer/data/bpe.model";

// A model with those 420 pieces and a vocabulary of 422.
class HfTokenizer : public testing::Test {
 protected:
  HfTokenizer() {
    ModelFiles files = make_packed_model({.vocab = 422}, 31);
    files.tokenizer_json = "";
    write_model(files, folder_.path());
    write_file(folder_.path() / "tokenizer.model", read_file(kModelFile));
  }
  void add(const std::string& json) { write_file(folder_.path() / "added_tokens.json", json); }
  std::string path() const { return folder_.path().string(); }

  TempFolder folder_;
};

TEST_F(HfTokenizer, AddsTheTokensBesideTheModel) {
  const auto plain = read_tokenizer(path());
  ASSERT_TRUE(plain.ok()) << plain.status().message();
  EXPECT_EQ((*plain)->vocab_size(), 420);
  add(R"({"<line>": 421, "<pad>": 420, "</s>": 2})");
  const auto added = read_tokenizer(path());
  ASSERT_TRUE(added.ok()) << added.status().message();
  EXPECT_EQ((*added)->vocab_size(), 422);
  EXPECT_EQ((*added)->token_id("<pad>"), 420);
  EXPECT_TRUE((*added)->is_special(421));
  EXPECT_EQ((*added)->encode("a page").value(), (*plain)->encode("a page").value());
  const auto ids = (*added)->encode("a<line>", false).value();
  EXPECT_EQ(ids.back(), 421);
  EXPECT_EQ((*added)->decode(ids).value(), "a");

  const auto loaded = load_model(path());
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_TRUE(std::ranges::any_of(loaded->graph.sources, [](const SourceFile& source) {
    return source.name == "added_tokens.json";
  }));
  const auto stored = Tokenizer::from_file(loaded->graph.tokenizer_json, "t");
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ((*stored)->token_id("<line>"), 421);
}

TEST_F(HfTokenizer, RefusesIdsThatDoNotFollow) {
  const auto refuse = [&](const std::string& json, std::initializer_list<std::string> named) {
    add(json);
    expect_error(read_tokenizer(path()), StatusCode::kDataCorrupt, {"added_tokens.json"});
    expect_error(read_tokenizer(path()), StatusCode::kDataCorrupt, named);
    expect_error(load_model(path()), StatusCode::kDataCorrupt, named);
  };
  refuse(R"({"<pad>": 421})", {"\"<pad>\" has id 421, expected 420, the next"});
  refuse(R"({"</s>": 420})", {"\"</s>\" has id 420, expected 2, as in tokenizer.model"});
  refuse(R"({"<a>": 420, "<b>": 420})", {"\"<a>\" and \"<b>\" have one id, 420"});
  refuse(R"({"": 420})", {"\"\" has id 420, expected a text"});
  refuse(R"({"<a>": -1})", {"\"<a>\" has id -1"});
  refuse("[]", {"expected an object"});
}

TEST_F(HfTokenizer, StandsInAFolderThatIsWrittenAsItWas) {
  add(R"({"<pad>": 420, "<line>": 421})");
  const auto loaded = load_model(path());
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const std::string out = folder_.file("out");
  const auto report = export_hf_folder(loaded->graph, out, {});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(std::filesystem::exists(out + "/tokenizer.model"));
  EXPECT_FALSE(std::filesystem::exists(out + "/tokenizer.json"));
  const auto again = load_model(out);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->graph.tokenizer_json, loaded->graph.tokenizer_json);
  expect_error(export_gguf(loaded->graph, folder_.file("m.gguf"), {.ternary = TernaryFormat::kF16}),
               StatusCode::kUnsupported, {"SentencePiece tokenizer.model", "m.gguf"});
}

}  // namespace
}  // namespace bitnetc::test
