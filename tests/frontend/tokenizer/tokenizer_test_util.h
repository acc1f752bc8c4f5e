// Small tokenizers, written as JSON, for the tokenizer tests.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>

#include "frontend/tokenizer.h"
#include "frontend/tokenizer/byte_symbols.h"
#include "frontend/unicode/utf8.h"

namespace bitnetc::tokenizer_test {

using nlohmann::json;

inline std::string read_source_file(const std::string& path) {
  std::ifstream file(std::string(BITNETC_SOURCE_DIR) + "/" + path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file.good()) << path;
  return text.str();
}

// Ids 0 to 255 are the bytes themselves; "he", "ll", "hell", " w" and "wo" follow as 256 to 260.
inline json byte_level_json() {
  json vocab = json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string symbol;
    append_utf8(byte_symbol(static_cast<uint8_t>(byte)), symbol);
    vocab[symbol] = byte;
  }
  for (const char* token : {"he", "ll", "hell", "Ġw", "wo"}) {
    const int id = static_cast<int>(vocab.size());
    vocab[token] = id;
  }
  const json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level},
          {"post_processor", nullptr},
          {"decoder", byte_level},
          {"model",
           {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "l l", "he ll", "Ġ w", "w o"}}}}};
}

// In the manner of LLaMA: ▁ for spaces, byte fallback, one leading space stripped when decoding.
// Ids: <unk> 0, <s> 1, <0x00>..<0xFF> 2..257, then ▁ a b c ▁a ab é.
inline json sentence_piece_json() {
  json tree = json::parse(R"({
    "version": "1.0",
    "added_tokens": [{"id": 1, "content": "<s>", "single_word": false, "lstrip": false,
                      "rstrip": false, "normalized": false, "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
    "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
              "vocab": {"<unk>": 0, "<s>": 1}, "merges": [["▁", "a"], ["a", "b"]]}})");
  json& vocab = tree["model"]["vocab"];
  for (int byte = 0; byte < 256; ++byte) vocab[fmt::format("<0x{:02X}>", byte)] = byte + 2;
  for (const char* token : {"▁", "a", "b", "c", "▁a", "ab", "é"}) {
    const int id = static_cast<int>(vocab.size());
    vocab[token] = id;
  }
  return tree;
}

inline json added_token(int id, const char* content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", false}};
}

inline std::unique_ptr<const Tokenizer> make_tokenizer(const std::string& text) {
  auto tokenizer = Tokenizer::from_json(text, "t.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

inline std::unique_ptr<const Tokenizer> make_tokenizer(const json& tree) {
  return make_tokenizer(tree.dump());
}

inline std::unique_ptr<const Tokenizer> bundled_tokenizer() {
  return make_tokenizer(read_source_file("tools/models/fairytale-6m/tokenizer.json"));
}

inline std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text,
                                   bool add_special = true) {
  auto ids = tokenizer.encode(text, add_special);
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : std::vector<int32_t>{-1};
}

inline std::string decode(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                          bool skip_special = true) {
  auto text = tokenizer.decode(ids, skip_special);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *text : "(failed)";
}

}  // namespace bitnetc::tokenizer_test
