// What a tokenizer.json can get wrong, and the message each mistake earns.

#include <gtest/gtest.h>

#include "tests/frontend/tokenizer/tokenizer_test_util.h"

namespace bitnetc::tokenizer_test {
namespace {

void expect_error(const std::string& text, StatusCode code, const std::string& message) {
  const auto tokenizer = Tokenizer::from_json(text, "t.json");
  ASSERT_FALSE(tokenizer.ok()) << message;
  EXPECT_EQ(tokenizer.status().code(), code) << tokenizer.status().message();
  EXPECT_EQ(tokenizer.status().message().substr(0, 8 + message.size()), "t.json: " + message);
}

// `changes` are applied to byte_level_json() as a JSON merge patch.
void expect_patch_error(const char* changes, StatusCode code, const std::string& message) {
  json tree = byte_level_json();
  tree.merge_patch(json::parse(changes));
  expect_error(tree.dump(), code, message);
}

// `section` of byte_level_json() becomes `value`.
void expect_section_error(const char* section, const char* value, StatusCode code,
                          const std::string& message) {
  json tree = byte_level_json();
  tree[section] = json::parse(value);
  expect_error(tree.dump(), code, message);
}

constexpr StatusCode kCorrupt = StatusCode::kDataCorrupt;
constexpr StatusCode kUnsupported = StatusCode::kUnsupported;

TEST(TokenizerErrors, NotADocument) {
  expect_error("", kCorrupt, "not valid JSON at byte 1, near ");
  expect_error("{\"model\": ", kCorrupt, "not valid JSON at byte 11, near ");
  expect_error("{} x", kCorrupt, "not valid JSON at byte 4, near \"{} x\"");
  expect_error(std::string("{}\0", 3), kCorrupt, "not valid JSON at byte 3: a NUL byte");
  expect_error(std::string("{}\0 {", 5), kCorrupt, "not valid JSON at byte 3: a NUL byte");
  expect_error("{\"a\x1b\xff", kCorrupt, "not valid JSON at byte 4, near \"\"a");
  expect_error("version https://git-lfs.github.com/spec/v1\n", kCorrupt, "is a Git LFS pointer");
  expect_error("[]", kCorrupt, "the document = an array of 0: expected an object");
  expect_error("{}", kCorrupt, "model is missing");
  expect_error(std::string(100, '['), kCorrupt, "nested deeper than 64");
  expect_error(R"({"a": 1, "a": 2})", kCorrupt, "key \"a\" appears twice");
  expect_error(R"({"model": {"vocab": {"a": 0, "a": 1}}})", kCorrupt,
               "model.vocab: token \"a\" appears twice");
}

TEST(TokenizerErrors, TopLevel) {
  expect_patch_error(R"({"version": "2.0"})", kUnsupported,
                     "version = \"2.0\" is not supported; supported: \"1.0\"");
  expect_patch_error(R"({"truncation": 5})", kCorrupt, "truncation = 5: expected an object");
  expect_patch_error(R"({"padding": "left"})", kCorrupt, "padding = \"left\": expected an object");
  expect_patch_error(R"({"a\u001bb": 1})", kUnsupported, "a\\x1bb = 1: an unknown key");
  expect_patch_error(R"({"extra": 1})", kUnsupported, "extra = 1: an unknown key");
}

TEST(TokenizerErrors, Vocabulary) {
  const struct {
    const char* vocabulary;
    const char* message;
  } kCases[] = {
      {R"({"a": 0, "b": 0})", "model.vocab: id 0 is given to \"a\" and to \"b\""},
      {R"({"a": -1})", "model.vocab[\"a\"] = -1: expected a token id in [0, 16777216]"},
      {R"({"a": 16777217})", "model.vocab[\"a\"] = 16777217: expected a token id"},
      {R"({"a": 99999999999999999999})", "model.vocab[\"a\"] = 1e+20: expected a token id"},
      {R"({"a": 1.5})", "model.vocab[\"a\"] = 1.5: expected a token id"},
      {R"({"a": "0"})", "model.vocab[\"a\"] = \"0\": expected a token id"},
      {R"({"a": null})", "model.vocab[\"a\"] = null: expected a token id"},
      {R"({"a": [0]})", "model.vocab[\"a\"] = an array of 0: expected a token id"},
      {R"([["a", 0]])", "model.vocab = an array of 1: expected an object"},
  };
  for (const auto& [vocabulary, message] : kCases) {
    expect_error(
        fmt::format(R"({{"model": {{"type": "BPE", "vocab": {}, "merges": []}}}})", vocabulary),
        kCorrupt, message);
  }
}

TEST(TokenizerErrors, Merges) {
  const struct {
    const char* merges;
    const char* message;
  } kCases[] = {
      {R"(["h e", "a x"])", "model.merges[1] = \"a\" + \"x\": \"ax\" is not in model.vocab"},
      {R"(["zz e"])", "model.merges[0] = \"zz\" + \"e\": \"zz\" is not in model.vocab"},
      {R"([["h", "zz"]])", "model.merges[0] = \"h\" + \"zz\": \"zz\" is not in model.vocab"},
      {R"(["he"])", "model.merges[0] = \"he\": expected \"left right\""},
      {R"(["h e l"])", "model.merges[0] = \"h e l\": expected \"left right\""},
      {R"(["h e", ["h"]])", "model.merges[1] = 1 strings: expected \"left right\""},
      {R"([["h", "e", "l"]])", "model.merges[0] = \"l\": expected \"left right\""},
      {R"([["h", 1]])", "model.merges[0] = 1: expected \"left right\""},
      {R"([7])", "model.merges[0] = 7: expected \"left right\""},
      {R"([{"h": "e"}])", "model.merges[0] = an object: expected \"left right\""},
      {R"({"h": "e"})", "model.merges = an object: expected an array"},
  };
  for (const auto& [merges, message] : kCases) {
    json tree = byte_level_json();
    tree["model"]["merges"] = json::parse(merges);
    expect_error(tree.dump(), kCorrupt, message);
  }
}

TEST(TokenizerErrors, Model) {
  expect_patch_error(R"({"model": {"type": "WordPiece"}})", kUnsupported,
                     "model.type = \"WordPiece\" is not supported; supported: BPE, Unigram");
  expect_patch_error(R"({"model": {"type": null}})", kCorrupt, "model.type is missing");
  expect_patch_error(R"({"model": {"dropout": 0.1}})", kUnsupported,
                     "model.dropout = 0.1 is not supported; supported: null or 0");
  expect_patch_error(R"({"model": {"continuing_subword_prefix": "##"}})", kUnsupported,
                     "model.continuing_subword_prefix = \"##\" is not supported");
  expect_patch_error(R"({"model": {"end_of_word_suffix": "</w>"}})", kUnsupported,
                     "model.end_of_word_suffix = \"</w>\" is not supported");
  expect_patch_error(R"({"model": {"unk_token": "<unk>"}})", kCorrupt,
                     "model.unk_token = \"<unk>\": expected a token of model.vocab");
  expect_patch_error(R"({"model": {"ignore_merges": "yes"}})", kCorrupt,
                     "model.ignore_merges = \"yes\": expected true or false");
  expect_patch_error(R"({"model": {"novelty": 3}})", kUnsupported,
                     "model.novelty = 3: an unknown key");
}

TEST(TokenizerErrors, UnigramModel) {
  expect_section_error("model", R"({"type": "Unigram", "vocab": [["a", -1], ["a", -2]]})", kCorrupt,
                       "model.vocab: token \"a\" appears twice");
  expect_section_error("model", R"({"type": "Unigram", "vocab": [["a", -1], ["b"]]})", kCorrupt,
                       "model.vocab[1] is an array of less than 2: expected a token and its score");
  expect_section_error("model", R"({"type": "Unigram", "vocab": [["a", "b"]]})", kCorrupt,
                       "model.vocab[0] is \"b\": expected a token and its score");
  expect_section_error("model", R"({"type": "Unigram", "vocab": [["", -1]]})", kCorrupt,
                       "model.vocab[0] is \"\" with score -1: expected a text and a number");
  expect_section_error("model", R"({"type": "Unigram", "vocab": [["a", -1]], "unk_id": 1})",
                       kCorrupt, "model.unk_id = 1: expected");
}

TEST(TokenizerErrors, NormalizerAndPreTokenizer) {
  expect_patch_error(R"({"normalizer": {"type": "Nmt"}})", kUnsupported,
                     "normalizer.type = \"Nmt\" is not supported; supported: Sequence, Prepend, "
                     "Replace, NFC");
  expect_patch_error(
      R"({"normalizer": {"type": "Sequence", "normalizers": [{"type": "Precompiled"}]}})",
      kUnsupported, "normalizer.normalizers[0].type = \"Precompiled\" is not supported");
  expect_patch_error(R"({"pre_tokenizer": {"type": "BertPreTokenizer"}})", kUnsupported,
                     "pre_tokenizer.type = \"BertPreTokenizer\" is not supported; supported: "
                     "Sequence, Split, ByteLevel, Digits, Metaspace, Punctuation");
  expect_section_error("pre_tokenizer", R"({"type": "Metaspace", "replacement": "ab"})", kCorrupt,
                       "pre_tokenizer.replacement = \"ab\": expected one character");
  expect_section_error(
      "pre_tokenizer", R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "often"})",
      kUnsupported,
      "pre_tokenizer.prepend_scheme = \"often\" is not supported; supported: always, first, never");
  expect_patch_error(R"({"pre_tokenizer": {"use_regex": 1}})", kCorrupt,
                     "pre_tokenizer.use_regex = 1: expected true or false");
  expect_patch_error(R"({"pre_tokenizer": {"add_prefix_space": null}})", kCorrupt,
                     "pre_tokenizer.add_prefix_space is missing: expected true or false");
  expect_patch_error(R"({"pre_tokenizer": {"speed": 1}})", kUnsupported,
                     "pre_tokenizer.speed = 1: an unknown key");
  expect_patch_error(R"({"pre_tokenizer": 3})", kCorrupt, "pre_tokenizer = 3: expected an object");
}

TEST(TokenizerErrors, Split) {
  const auto expect_split_error = [](const char* changes, StatusCode code, const char* message) {
    json tree = byte_level_json();
    tree["pre_tokenizer"] = {{"type", "Split"},
                             {"pattern", {{"Regex", "a"}}},
                             {"behavior", "Isolated"},
                             {"invert", false}};
    tree["pre_tokenizer"].merge_patch(json::parse(changes));
    expect_error(tree.dump(), code, message);
  };
  expect_split_error(
      R"({"behavior": "Sideways"})", kUnsupported,
      "pre_tokenizer.behavior = \"Sideways\" is not supported; supported: Isolated, ");
  expect_split_error(R"({"invert": null})", kCorrupt, "pre_tokenizer.invert is missing");
  expect_split_error(R"({"pattern": {"Regex": "\\w"}})", kUnsupported,
                     "pre_tokenizer.pattern: the escape \\w at offset 0 of the regex");
  expect_split_error(R"({"pattern": {"Regex": null}})", kCorrupt,
                     "pre_tokenizer.pattern.String is missing: expected a string");
  expect_split_error(R"({"pattern": {"Regex": null, "String": ""}})", kUnsupported,
                     "pre_tokenizer.pattern: an empty pattern");
  expect_split_error(R"({"pattern": {"String": "x"}})", kUnsupported,
                     "pre_tokenizer.pattern.String = \"x\": an unknown key");
}

TEST(TokenizerErrors, PostProcessor) {
  const auto expect_template_error = [](const char* changes, StatusCode code, const char* message) {
    json tree = sentence_piece_json();
    tree["post_processor"].merge_patch(json::parse(changes));
    expect_error(tree.dump(), code, message);
  };
  expect_template_error(R"({"special_tokens": {"<s>": null}})", kCorrupt,
                        "post_processor.special_tokens lacks \"<s>\", which the template names");
  expect_template_error(R"({"special_tokens": {"<s>": {"ids": [9999]}}})", kCorrupt,
                        "post_processor: token id 9999 is not in the vocabulary");
  expect_template_error(
      R"({"special_tokens": {"<s>": {"ids": [-4]}}})", kCorrupt,
      "post_processor.special_tokens[\"<s>\"].ids = an array of 1: expected token "
      "ids, found -4");
  expect_template_error(R"({"single": []})", kUnsupported,
                        "post_processor.single = an array of 0 is not supported");
  expect_template_error(R"({"single": [{"Sequence": {"id": "B"}}]})", kUnsupported,
                        "post_processor.single[0].Sequence.id = \"B\" is not supported");
  expect_patch_error(R"({"post_processor": {"type": "BertProcessing"}})", kUnsupported,
                     "post_processor.type = \"BertProcessing\" is not supported; supported: "
                     "Sequence, ByteLevel, TemplateProcessing (or no post_processor)");
}

TEST(TokenizerErrors, Decoder) {
  expect_patch_error(
      R"({"decoder": {"type": "WordPiece"}})", kUnsupported,
      "decoder.type = \"WordPiece\" is not supported; supported: Sequence, ByteLevel");
  const auto expect_sequence_error = [](const char* decoders, const char* message) {
    json tree = byte_level_json();
    tree["decoder"] = {{"type", "Sequence"}, {"decoders", json::parse(decoders)}};
    expect_error(tree.dump(), kUnsupported, message);
  };
  expect_sequence_error(
      R"([{"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}])",
      "decoder.decoders[1].type = \"Replace\" is not supported here: it must come before");
  expect_sequence_error(R"([{"type": "Fuse"}, {"type": "ByteFallback"}])",
                        "decoder.decoders[1].type = \"ByteFallback\" is not supported here");
  expect_sequence_error(
      R"([{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 0, "stop": 1}])",
      "decoder.decoders[1].type = \"Strip\" is not supported here: once, behind Fuse");
}

TEST(TokenizerErrors, AddedTokens) {
  const auto expect_added_error = [](const json& tokens, const char* message) {
    json tree = byte_level_json();
    tree["added_tokens"] = tokens;
    expect_error(tree.dump(), kCorrupt, message);
  };
  expect_added_error(json::array({added_token(256, "x<")}),
                     "added_tokens: id 256 of \"x<\" is taken by \"he\"");
  expect_added_error(json::array({added_token(300, "he")}),
                     "added_tokens: \"he\" has id 300, but model.vocab gives it 256");
  expect_added_error(json::array({added_token(300, "<x>"), added_token(300, "<y>")}),
                     "added_tokens: id 300 of \"<y>\" is taken by \"<x>\"");
  expect_added_error(json::array({added_token(300, "<x>"), added_token(301, "<x>")}),
                     "added_tokens: \"<x>\" appears twice");
  expect_added_error(json::array({added_token(300, "")}),
                     "added_tokens[0].content = \"\": expected a text that is not empty");
  expect_added_error(json::array({added_token(-1, "<x>")}),
                     "added_tokens[0].id = -1: expected an integer in [0, 16777216]");
  expect_added_error(json::object(), "added_tokens = an object: expected an array");
}

}  // namespace
}  // namespace bitnetc::tokenizer_test
