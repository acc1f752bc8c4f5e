// config.json, generation_config.json and tokenizer.json with one thing wrong.
#include <gtest/gtest.h>

#include "frontend/load.h"
#include "frontend/tokenizer.h"
#include "tests/support/hostile_inputs.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

using Json = nlohmann::ordered_json;

// A folder that loads, in which one file becomes another.
class HostileFolder : public testing::Test {
 protected:
  HostileFolder() {
    const ModelShape shape{.vocab = 300,
                           .hidden = 8,
                           .intermediate = 8,
                           .layers = 1,
                           .q_heads = 2,
                           .kv_heads = 1,
                           .head_dim = 4};
    files_ = make_packed_model(shape, 96);
    files_.config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2.0}};
    files_.generation = {{"bos_token_id", 298},
                         {"eos_token_id", {299, 7}},
                         {"do_sample", true},
                         {"temperature", 0.5},
                         {"top_k", 40},
                         {"top_p", 0.5},
                         {"min_p", 0.25},
                         {"repetition_penalty", 1.5},
                         {"max_length", 20},
                         {"suppress_tokens", {3, 4}},
                         {"bad_words_ids", {{5, 6}, {9}}},
                         {"no_repeat_ngram_size", 3}};
    write_model(files_, folder_.path());
  }

  void try_file(const std::string& name, std::vector<std::string> named, const Json& good,
                size_t fewest) {
    const auto read = [&](const std::string& bytes) {
      write_file(folder_.path() / name, bytes);
      return load_model(folder_.path().string()).status();
    };
    const Status unchanged = read(good.dump());
    ASSERT_TRUE(unchanged.ok()) << unchanged.message();
    HostileInputs inputs(name, std::move(named));
    inputs.try_all(json_mutations(good), read);
    inputs.try_all(file_mutations(good.dump(1)), read);
    inputs.finish(fewest);
  }

  TempFolder folder_;
  ModelFiles files_;
};

TEST_F(HostileFolder, Config) {
  try_file("config.json", {"config.json", "model.safetensors", "lm_head.weight"}, files_.config,
           500);
}

TEST_F(HostileFolder, GenerationConfig) {
  try_file("generation_config.json", {"generation_config.json"}, files_.generation, 400);
}

// One component of each kind, few enough that every value of the document has its turn.
Json small_tokenizer() {
  return Json::parse(R"({
    "version": "1.0",
    "truncation": null,
    "padding": null,
    "added_tokens": [{"id": 6, "content": "<s>", "single_word": false, "lstrip": false,
                      "rstrip": true, "normalized": false, "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "NFC"}, {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "\\p{L}+|\\s+"}, "behavior": "Isolated",
         "invert": false},
        {"type": "Digits", "individual_digits": true}]},
    "model": {"type": "BPE", "dropout": null, "unk_token": "?", "continuing_subword_prefix": null,
              "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
              "ignore_merges": false,
              "vocab": {"?": 0, "a": 1, "b": 2, "ab": 3, "_": 4, "ab_": 5},
              "merges": ["a b", ["ab", "_"]]},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [6], "tokens": ["<s>"]}}},
    "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "_"}, "content": " "}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
  })");
}

// What is accepted encodes and decodes.
Status read_tokenizer_json(const std::string& bytes) {
  BITNETC_ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::from_file(bytes, "tokenizer.json"));
  const auto ids = tokenizer->encode("<s> abab 12\xc3\xa9?");
  if (!ids.ok()) {  // characters without a token, where no unknown token is named
    EXPECT_FALSE(ids.status().message().empty());
    return {};
  }
  const auto text = tokenizer->decode(*ids);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return {};
}

// Merges that no document of one kind of mistake has: of themselves, in circles, of what is absent.
std::vector<HostileInput> merge_mutations() {
  const std::pair<const char*, const char*> lists[] = {{"unknown-part", R"(["a c"])"},
                                                       {"unknown-whole", R"(["b a"])"},
                                                       {"one-part", R"(["ab"])"},
                                                       {"three-parts", R"(["a b _"])"},
                                                       {"no-part", R"([" "])"},
                                                       {"empty-part", R"([["", "a"]])"},
                                                       {"with-itself", R"(["a a"])"},
                                                       {"circle", R"(["ab _", "a b", "ab _"])"},
                                                       {"twice", R"(["a b", "a b"])"},
                                                       {"before-its-parts", R"(["ab _", "a b"])"},
                                                       {"part-of-a-special", R"(["<s> a"])"},
                                                       {"three-in-a-pair", R"([["a", "b", "_"]])"},
                                                       {"numbers", R"([[1, 2]])"},
                                                       {"object", R"([{"a": "b"}])"}};
  std::vector<HostileInput> found;
  for (const auto& [change, merges] : lists) {
    Json tree = small_tokenizer();
    tree["model"]["merges"] = Json::parse(merges);
    found.push_back({.place = "merges", .change = change, .bytes = tree.dump()});
  }
  return found;
}

// Ids that leave gaps, collide, or belong to other tokens.
std::vector<HostileInput> id_mutations() {
  const std::pair<const char*, const char*> patches[] = {
      {"vocab-gap", R"({"model": {"vocab": {"z": 9}}})"},
      {"vocab-collision", R"({"model": {"vocab": {"z": 3}}})"},
      {"vocab-of-added", R"({"model": {"vocab": {"z": 6}}})"},
      {"far-gap", R"({"model": {"vocab": {"z": 16777216}}})"},
      {"added-is-another", R"({"added_tokens": [{"id": 1, "content": "<s>", "special": true}]})"},
      {"added-twice", R"({"added_tokens": [{"id": 6, "content": "<s>"},
                                           {"id": 6, "content": "</s>"}]})"},
      {"added-without-text", R"({"added_tokens": [{"id": 6, "content": ""}]})"},
      {"template-unknown", R"({"post_processor": {"special_tokens": {"<s>": {"ids": [77]}}}})"}};
  std::vector<HostileInput> found;
  for (const auto& [change, patch] : patches) {
    Json tree = small_tokenizer();
    tree.merge_patch(Json::parse(patch));
    found.push_back({.place = "ids", .change = change, .bytes = tree.dump()});
  }
  return found;
}

std::vector<HostileInput> pattern_mutations() {
  const std::pair<const char*, std::string> patterns[] = {
      {"open", "(a"},
      {"endless", "(a*)*$"},
      {"itself", "(?R)"},
      {"code", "(?{1})"},
      {"huge-repeat", "a{1,99999999999}"},
      {"many-repeats", "((a{999}){999}){999}"},
      {"no-class", "\\p{Nothing}"},
      {"back", "\\9"},
      {"NUL", std::string("a\0b", 3)},
      {"deep", std::string(10'000, '(') + std::string(10'000, ')')}};
  std::vector<HostileInput> found;
  for (const auto& [change, pattern] : patterns) {
    Json tree = small_tokenizer();
    tree["pre_tokenizer"] = {{"type", "Split"},
                             {"pattern", {{"Regex", pattern}}},
                             {"behavior", "Isolated"},
                             {"invert", false}};
    found.push_back({.place = "pattern", .change = change, .bytes = tree.dump()});
  }
  return found;
}

TEST(HostileTokenizer, Json) {
  const std::string good = small_tokenizer().dump();
  const Status unchanged = read_tokenizer_json(good);
  ASSERT_TRUE(unchanged.ok()) << unchanged.message();
  HostileInputs inputs("tokenizer.json", {"tokenizer.json"});
  inputs.try_all(json_mutations(small_tokenizer()), read_tokenizer_json);
  inputs.try_all(file_mutations(good), read_tokenizer_json);
  inputs.try_all(merge_mutations(), read_tokenizer_json);
  inputs.try_all(id_mutations(), read_tokenizer_json);
  inputs.try_all(pattern_mutations(), read_tokenizer_json);
  inputs.finish(1000);
}

}  // namespace
}  // namespace bitnetc::test
