// bitnetc embed, against the vectors that an independent implementation recorded.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/cli_fixture.h"
#include "tests/support/golden.h"
#include "tests/support/reference_model.h"

namespace bitnetc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kUsage = 2, kBadModel = 3;

class Embed : public CliFixture {
 protected:
  // A copy of the reference's folder that says how its rows are pooled and what its prompts are.
  std::string folder_with(const json& pooling, const json& prompts = nullptr) {
    const fs::path folder = folder_.path() / fmt::format("model{}", ++copies_);
    fs::create_directories(folder / "1_Pooling");
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"})
      fs::copy_file(fs::path(source_) / name, folder / name);
    if (!pooling.is_null()) write_file(folder / "1_Pooling" / "config.json", pooling.dump());
    if (!prompts.is_null())
      write_file(folder / "config_sentence_transformers.json", prompts.dump());
    return folder.string();
  }
  json embed(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "embed");
    arguments.push_back("--json");
    const ProcessResult result = bitnetc(arguments, {}, input);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out)["embeddings"];
  }
  void expect_vector(const json& row, const json& reference_case, const char* pooling) {
    EXPECT_EQ(row["ids"], reference_case["ids"]);
    const std::string name = reference_case["name"].get<std::string>() + pooling;
    const auto expected = read_tensor<float>(vectors_, name);
    const auto vector = row["embedding"].get<std::vector<float>>();
    ASSERT_EQ(vector.size(), expected.size());
    const double allowed = reference_["suggested_tolerance"]["max_abs"];
    double dot = 0;
    for (size_t i = 0; i < vector.size(); ++i) {
      EXPECT_NEAR(vector[i], expected[i], allowed) << name;
      dot += double{vector[i]} * double{expected[i]};
    }
    EXPECT_GE(dot, reference_["suggested_tolerance"]["cosine"].get<double>()) << name;
  }

  int copies_ = 0;
  std::string source_ = reference_folder("embedding-gemma3");
  json reference_ = json::parse(read_file(fs::path(source_) / "reference.json"));
  SafetensorsFile vectors_ = open_tensors(source_ + "/embeddings.safetensors");
};

TEST_F(Embed, VectorsOfTheReference) {
  const std::string mean = folder_with({{"pooling_mode", "mean"}});
  const std::string last =
      folder_with({{"pooling_mode_lasttoken", true}, {"pooling_mode_mean_tokens", false}});
  std::vector<std::string> texts;
  std::vector<json> cases;
  for (const json& each : reference_["cases"]) {
    if (each["ids"].size() > 60) continue;
    texts.push_back("-p");
    texts.push_back(each["text"].get<std::string>());
    cases.push_back(each);
  }
  ASSERT_GE(cases.size(), 5u);
  for (const auto& [folder, pooling] : {std::pair(mean, ".mean"), std::pair(last, ".last")}) {
    std::vector<std::string> arguments = {folder};
    arguments.insert(arguments.end(), texts.begin(), texts.end());
    const json rows = embed(arguments);
    ASSERT_EQ(rows.size(), cases.size());
    for (size_t i = 0; i < cases.size(); ++i) expect_vector(rows[i], cases[i], pooling);
  }
  EXPECT_EQ(embed({mean, "-p", "a", "--pooling", "last"}), embed({last, "-p", "a"}));
}

TEST_F(Embed, EveryTypeOfKeysAndValues) {
  const std::string folder = folder_with({{"pooling_mode", "mean"}});
  const auto vector = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {folder, "-p", "three of them"});
    return embed(more)[0]["embedding"].get<std::vector<float>>();
  };
  const std::vector<float> expected = vector({});
  EXPECT_EQ(vector({"--kv", "f16"}), expected);
  for (const char* type : {"f32", "i8"}) {
    const std::vector<float> got = vector({"--kv", type});
    EXPECT_EQ(vector({"--kv", type, "-t", "1"}), got) << type;
    double dot = 0;
    for (size_t i = 0; i < got.size(); ++i) dot += double{got[i]} * double{expected[i]};
    EXPECT_GT(dot, 0.99) << type;
    EXPECT_NE(got, expected) << type;
  }
}

// A GGUF file as bitnet.cpp writes it gives the vectors of the folder, and so do the formats it is
// converted to.
TEST_F(Embed, GgufFilesGiveTheVectorsOfTheFolder) {
  const std::string gguf = source_ + "/model.gguf";
  const json rows = embed({gguf, "-p", "one", "-p", "a second one"});
  EXPECT_EQ(embed({folder_with({{"pooling_mode", "mean"}}), "-p", "one", "-p", "a second one"}),
            rows);
  const std::string again = folder_.file("again.gguf"), out = folder_.file("out");
  EXPECT_EQ(bitnetc({"convert", gguf, "-o", out}).exit_code, 0);
  EXPECT_EQ(bitnetc({"convert", out, "-o", again}).exit_code, 0);
  for (const std::string& model : {out, again})
    EXPECT_EQ(embed({model, "-p", "one", "-p", "a second one"}), rows) << model;
}

TEST_F(Embed, TheOtherTextsThreadsAndTheFileChangeNoBit) {
  const std::string folder = folder_with({{"pooling_mode", "mean"}});
  const json rows = embed({folder, "-p", "one", "-p", "", "-p", "three of them"});
  EXPECT_EQ(rows[1]["text"], "");
  const json turned = embed({folder, "-t", "1", "-p", "three of them", "-p", "one"});
  EXPECT_EQ(turned[0], rows[2]);
  EXPECT_EQ(turned[1], rows[0]);
  EXPECT_EQ(embed({folder}, "one\n\nthree of them\n"), rows);
  EXPECT_EQ(embed({folder, "-f", "-"}, "[\"one\", \"\", \"three of them\"]"), rows);
  EXPECT_EQ(embed({folder}, "\xef\xbb\xbf[\"one\", \"\", \"three of them\"]"), rows);
  const std::string compiled = folder_.file("m.bnc");
  EXPECT_EQ(bitnetc({"compile", folder, "-o", compiled}).exit_code, 0);
  EXPECT_EQ(embed({compiled, "-p", "one"})[0], rows[0]);
}

// More rows than one pass takes, texts that begin in one and end in another.
TEST_F(Embed, ManyTextsGiveWhatEachGivesAlone) {
  std::string long_text, lines;
  for (int i = 0; i < 60; ++i) long_text += fmt::format("word {} ", i);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i)
    texts.push_back(i == 20 ? long_text : long_text.substr(0, static_cast<size_t>(7 * i)));
  for (const std::string& text : texts) lines += text + "\n";
  for (const char* pooling : {"mean", "last", "first"}) {
    const std::string folder = folder_with({{"pooling_mode", "mean"}});
    const json rows = embed({folder, "--pooling", pooling}, lines);
    ASSERT_EQ(rows.size(), texts.size());
    EXPECT_GT(rows[20]["ids"].size(), 256u);
    for (const size_t i : {0, 1, 19, 20, 21, 39}) {
      EXPECT_EQ(rows[i]["text"], texts[i]);
      EXPECT_EQ(embed({folder, "--pooling", pooling, "-p", texts[i]})[0], rows[i]) << i;
    }
  }
}

TEST_F(Embed, CutsWhatIsTooLongWhenAsked) {
  source_ = reference_folder("embedding-qwen3");  // whose tokenizer ends every text
  const std::string folder = folder_with({{"pooling_mode", "lasttoken"}});
  json config = json::parse(read_file(fs::path(folder) / "config.json"));
  config["max_position_embeddings"] = 8;
  write_file(fs::path(folder) / "config.json", config.dump());
  const std::string text = "one two three four five six seven eight nine ten eleven";
  const ProcessResult refused = bitnetc({"embed", folder, "-p", text});
  EXPECT_EQ(refused.exit_code, kUsage);
  EXPECT_NE(refused.err.find("text 1: has "), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("expected at most 8"), std::string::npos) << refused.err;
  const json whole = embed({folder_with({{"pooling_mode", "lasttoken"}}), "-p", text})[0]["ids"];
  ASSERT_GT(whole.size(), 8u);
  const json cut = embed({folder, "-p", text, "--truncate"})[0]["ids"];
  ASSERT_EQ(cut.size(), 8u);
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(cut[i], whole[i]);
  EXPECT_EQ(embed({folder, "-p", ""})[0]["ids"], json::array({cut[7]}));
}

TEST_F(Embed, PromptsByName) {
  const json prompts = {{"prompts", {{"query", "Query: "}, {"document", ""}}},
                        {"default_prompt_name", nullptr}};
  const std::string folder = folder_with({{"pooling_mode", "mean"}}, prompts);
  const json plain = embed({folder, "-p", "Query: who?"});
  const json named = embed({folder, "-p", "who?", "--prompt-name", "query"});
  EXPECT_EQ(named[0]["embedding"], plain[0]["embedding"]);
  EXPECT_EQ(named[0]["text"], "who?");
  json with_default = prompts;
  with_default["default_prompt_name"] = "query";
  const std::string defaults = folder_with({{"pooling_mode", "mean"}}, with_default);
  EXPECT_EQ(embed({defaults, "-p", "who?"}), named);
  EXPECT_EQ(embed({defaults, "-p", "who?", "--prompt-name", ""}), embed({folder, "-p", "who?"}));
  const ProcessResult unknown = bitnetc({"embed", folder, "-p", "x", "--prompt-name", "other"});
  EXPECT_EQ(unknown.exit_code, kUsage);
  EXPECT_NE(unknown.err.find("the model has document, query"), std::string::npos) << unknown.err;
}

TEST_F(Embed, SaysWhatIsMissing) {
  const std::string folder = folder_with(nullptr);
  const ProcessResult noted = bitnetc({"embed", folder, "-p", "one", "-p", "two"});
  EXPECT_EQ(noted.exit_code, 0);
  EXPECT_NE(noted.err.find("does not say how rows are pooled"), std::string::npos) << noted.err;
  EXPECT_NE(noted.out.find("2 vectors of 128 numbers"), std::string::npos) << noted.out;
  const auto refused = [&](std::vector<std::string> arguments, int code, const std::string& message,
                           const std::string& input = "") {
    arguments.insert(arguments.begin(), "embed");
    const ProcessResult result = bitnetc(arguments, {}, input);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
  };
  refused({"fairytale-6m", "-p", "x"}, kBadModel, "is a language model, not a text encoder");
  refused({folder}, kUsage, "no texts in it");
  const ProcessResult perplexity = bitnetc({"perplexity", folder, "-p", "one two"});
  EXPECT_EQ(perplexity.exit_code, kBadModel);
  EXPECT_NE(perplexity.err.find("is a text encoder"), std::string::npos) << perplexity.err;
  refused({folder}, kBadModel, "no JSON array of texts", "[1]");
  refused({folder, "-p", "x", "-f", "y"}, kUsage, "-p and -f: expected one of them");
  refused({folder_with({{"pooling_mode", "max"}}), "-p", "x"}, kBadModel, "pooling max is not");
  refused({folder_with({{"pooling_mode_max_tokens", true}}), "-p", "x"}, kBadModel,
          "pooling pooling_mode_max_tokens is not");
  refused({folder_with(json::object()), "-p", "x"}, kBadModel, "0 of the flags pooling_mode_*");
  const std::string limited = folder_with({{"pooling_mode", "mean"}});
  const fs::path limits = fs::path(limited) / "sentence_bert_config.json";
  write_file(limits, R"({"max_seq_length": 4, "do_lower_case": false})");
  const ProcessResult whole = bitnetc({"embed", limited, "-p", "one two three four five"});
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_NE(whole.err.find("max_seq_length = 4 is not applied"), std::string::npos) << whole.err;
  write_file(limits, R"({"do_lower_case": true})");
  refused({limited, "-p", "x"}, kBadModel, "sentence_bert_config.json: do_lower_case = true");
  const std::string dense = folder_with({{"pooling_mode", "mean"}});
  write_file(fs::path(dense) / "modules.json",
             R"([{"type": "sentence_transformers.models.Dense"}])");
  refused({dense, "-p", "x"}, kBadModel, "module sentence_transformers.models.Dense");
}

}  // namespace
}  // namespace bitnetc::test
