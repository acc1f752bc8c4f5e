#include "frontend/synth/tokenizer_document.h"

#include <nlohmann/json.hpp>

#include "frontend/tokenizer/byte_symbols.h"

namespace bitnetc {
namespace {

using Json = nlohmann::json;

constexpr int64_t kByteTokens = 256;
constexpr char kBegin[] = "<|begin_of_text|>", kEnd[] = "<|end_of_text|>";

Json added_token(int64_t id, const char* content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

}  // namespace

std::string synth_tokenizer_json(int64_t vocab) {
  const int64_t begin = vocab - 2, end = vocab - 1;
  Json tokens = Json::object();
  for (int64_t id = 0; id < begin; ++id) {
    std::string token;
    append_byte_symbols(
        id < kByteTokens ? std::string(1, static_cast<char>(id)) : " t" + std::to_string(id),
        token);
    tokens.emplace(std::move(token), id);
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  const Json begin_piece = {{"SpecialToken", {{"id", kBegin}, {"type_id", 0}}}};
  const Json text_piece = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json document = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array({added_token(begin, kBegin), added_token(end, kEnd)})},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", Json::array({begin_piece, text_piece})},
        {"pair", Json::array({begin_piece, text_piece})},
        {"special_tokens",
         {{kBegin,
           {{"id", kBegin}, {"ids", Json::array({begin})}, {"tokens", Json::array({kBegin})}}}}}}},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", std::move(tokens)},
        {"merges", Json::array()}}}};
  return document.dump();
}

}  // namespace bitnetc
