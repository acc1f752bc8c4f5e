// Vectors of the C API against those of the command.
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/capi/api_fixture.h"

namespace bitnetc::test {
namespace {

using nlohmann::json;

class ApiEmbedding : public Api {
 protected:
  ApiEmbedding() {
    write(folder_of_model_ + "/config_sentence_transformers.json",
          R"({"prompts": {"query": "Query: "}})");
  }
  std::vector<float> embed(const Model& model, const std::vector<const char*>& texts,
                           const bitnetc_embed_options* options = nullptr) {
    std::vector<float> vectors(texts.size() * 128);
    EXPECT_SUCCEEDS(bitnetc_embed(model.get(), texts.data(), texts.size(), options, vectors.data(),
                                  vectors.size()));
    return vectors;
  }
  std::vector<float> command_vectors(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"embed", folder_of_model_, "--json"});
    const ProcessResult result = command(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::vector<float> vectors;
    const json document = json::parse(result.out);
    for (const json& row : document["embeddings"])
      for (const json& value : row["embedding"]) vectors.push_back(value.get<float>());
    return vectors;
  }

  const std::string folder_of_model_ =
      copy_of(BITNETC_SOURCE_DIR "/tests/golden/data/families/embedding-qwen3");
};

TEST_F(ApiEmbedding, VectorsAreThoseOfTheCommand) {
  const Model model = open(folder_of_model_.c_str());
  auto info = sized<bitnetc_model_info>();
  EXPECT_SUCCEEDS(bitnetc_model_get_info(model.get(), &info));
  EXPECT_EQ(info.is_encoder, 1);
  EXPECT_EQ(info.hidden_size, 128);
  const std::vector<float> vectors = embed(model, {"one", "a second one", ""});
  EXPECT_TRUE(are_equal(vectors, command_vectors({"-p", "one", "-p", "a second one", "-p", ""})));
  double squares = 0;
  for (size_t i = 0; i < 128; ++i) squares += double{vectors[i]} * double{vectors[i]};
  EXPECT_NEAR(squares, 1, 1e-5);
  auto options = sized<bitnetc_embed_options>();
  options.prompt_name = "query";
  options.pooling = "mean";
  EXPECT_TRUE(are_equal(embed(model, {"who?"}, &options),
                        command_vectors({"-p", "Query: who?", "--pooling", "mean"})));
}

TEST_F(ApiEmbedding, ThreadsTakeTurns) {
  const Model model = open(folder_of_model_.c_str());
  const std::vector<float> expected = embed(model, {"one", "two"});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { EXPECT_TRUE(are_equal(embed(model, {"one", "two"}), expected)); });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ApiEmbedding, SaysWhatIsWrong) {
  const Model model = open(folder_of_model_.c_str()), language_model = open();
  const char* const texts[] = {"one", nullptr};
  float vectors[256];
  const auto fails = [&](const Model& with, size_t count, const bitnetc_embed_options* options,
                         size_t capacity, bitnetc_status code, const char* part) {
    EXPECT_FAILS(bitnetc_embed(with.get(), texts, count, options, vectors, capacity), code, part);
  };
  fails(language_model, 1, nullptr, 256, BITNETC_UNSUPPORTED, "not a text encoder");
  fails(model, 1, nullptr, 127, BITNETC_BUFFER_TOO_SMALL, "1 times 128 are needed");
  fails(model, 2, nullptr, 256, BITNETC_INVALID_ARGUMENT, "texts[1] is NULL");
  auto options = sized<bitnetc_embed_options>();
  options.pooling = "max";
  fails(model, 1, &options, 256, BITNETC_INVALID_ARGUMENT, "pooling 'max'");
  options.pooling = nullptr;
  options.prompt_name = "other";
  fails(model, 1, &options, 256, BITNETC_INVALID_ARGUMENT,
        "prompt_name: other: the model has query");
  options.prompt_name = nullptr;
  const Cancel cancel = make_cancel();
  bitnetc_cancel_request(cancel.get());
  options.cancel = cancel.get();
  fails(model, 1, &options, 256, BITNETC_CANCELLED, "");
  std::string words;
  for (int i = 0; i < 5000; ++i) words += "word ";
  const char* const long_text = words.c_str();
  EXPECT_FAILS(bitnetc_embed(model.get(), &long_text, 1, nullptr, vectors, 256),
               BITNETC_INVALID_ARGUMENT, "texts[0]: has ");
  options.cancel = nullptr;
  options.truncate = 1;
  EXPECT_SUCCEEDS(bitnetc_embed(model.get(), &long_text, 1, &options, vectors, 256));
  bitnetc_sequence* sequence = nullptr;
  EXPECT_FAILS(bitnetc_sequence_create(model.get(), 0, &sequence), BITNETC_UNSUPPORTED,
               "is a text encoder");
}

}  // namespace
}  // namespace bitnetc::test
