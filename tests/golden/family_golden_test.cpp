// Small models of the published families against outputs that an independent implementation in
// double precision recorded: ids, logits, greedy tokens, likelihoods, and one short prompt step by
// step. A step's prompt keeps every int8 code away from its rounding borders, so codes are equal
// and values agree to float rounding.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "frontend/load.h"
#include "frontend/tokenizer.h"
#include "runtime/cpu_features.h"
#include "runtime/rounding.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/golden.h"
#include "tests/support/reference_model.h"
#include "tests/support/tiers.h"

namespace bitnetc::test {
namespace {

using nlohmann::json;

class FamilyGolden : public testing::TestWithParam<const char*> {
 protected:
  FamilyGolden()
      : folder_(reference_folder(GetParam())), reference_(read_json(folder_ + "/reference.json")) {}

  // Compiled once for all tests of a family.
  std::shared_ptr<const Executable> executable() const {
    static std::map<std::string, std::shared_ptr<const Executable>> linked;
    auto& found = linked[folder_];
    if (!found) found = compile_and_link(folder_, host_target());
    return found;
  }
  double tolerance(const char* name) const { return reference_["suggested_tolerance"][name]; }
  static std::vector<int32_t> ids_of(const json& reference_case) {
    return reference_case["ids"].get<std::vector<int32_t>>();
  }

  std::string folder_;
  json reference_;
};

TEST_P(FamilyGolden, TokenIds) {
  const auto tokenizer =
      Tokenizer::from_json(read_file(folder_ + "/tokenizer.json"), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  for (const json& each : reference_["cases"]) {
    const auto ids = (*tokenizer)->encode(each["prompt"].get<std::string>());
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    EXPECT_EQ(*ids, ids_of(each)) << each["name"];
  }
}

TEST_P(FamilyGolden, LastPositionLogits) {
  const SafetensorsFile logits = open_tensors(folder_ + "/logits.safetensors");
  auto session = make_session(executable(), {.threads = 2});
  double worst_flip_free = 0, worst = 0;
  int flip_free_cases = 0;
  for (const json& each : reference_["cases"]) {
    session->reset();
    ASSERT_TRUE(session->append(ids_of(each)).ok());
    const Difference d =
        difference(session->logits(), read_tensor<float>(logits, each["logits_tensor"]));
    if (each["flip_free"]) {
      EXPECT_LE(d.max_abs, tolerance("logits_max_abs_without_any_rounding_flip")) << each["name"];
      worst_flip_free = std::max(worst_flip_free, d.max_abs);
      ++flip_free_cases;
    }
    EXPECT_LE(d.max_abs, tolerance("logits_max_abs")) << each["name"];
    EXPECT_LE(d.rms, tolerance("logits_rms")) << each["name"];
    worst = std::max(worst, d.max_abs);
  }
  EXPECT_EQ(flip_free_cases, 2);
  std::printf("largest logit difference %.2g without flips, %.2g with\n", worst_flip_free, worst);
}

// Equal up to the first step whose two best logits the reference calls too close.
TEST_P(FamilyGolden, GreedyTokens) {
  auto session = make_session(executable(), {.threads = 2});
  size_t compared = 0, agreed = 0;
  for (const json& each : reference_["cases"]) {
    const auto expected = each["greedy_ids"].get<std::vector<int32_t>>();
    size_t must_agree = expected.size();
    for (const json& gap : each["small_gaps"])
      must_agree = std::min(must_agree, gap["step"].get<size_t>());
    session->reset();
    ASSERT_TRUE(session->append(ids_of(each)).ok());
    size_t agree = 0;
    for (; agree < expected.size() && argmax(session->logits()) == expected[agree]; ++agree)
      ASSERT_TRUE(session->append({&expected[agree], 1}).ok());
    EXPECT_GE(agree, must_agree) << each["name"] << " differs at step " << agree;
    compared += must_agree;
    agreed += agree;
  }
  std::printf("%zu greedy tokens had to agree; %zu agree before the first difference\n", compared,
              agreed);
}

// Two chunks, each scored by itself behind the begin-of-text token, if there is one.
TEST_P(FamilyGolden, MeanNegativeLogLikelihood) {
  constexpr size_t kChunk = 300;
  const auto ids = reference_["nll"]["ids"].get<std::vector<int32_t>>();
  const std::optional<int32_t> bos = executable()->model->description().generation.bos_id;
  auto session = make_session(executable(), {.threads = 2});
  double total = 0;
  int64_t targets = 0;
  for (size_t begin = 0; begin < ids.size(); begin += kChunk) {
    std::vector<int32_t> text(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                              ids.begin() + static_cast<std::ptrdiff_t>(begin + kChunk));
    if (bos) text.insert(text.begin(), *bos);
    session->reset();
    const auto score = [&](int64_t position, std::span<const float> logits) {
      total += negative_log_likelihood(logits, text[static_cast<size_t>(position) + 1]);
      ++targets;
    };
    const Status status = session->append_all_logits(std::span(text).first(text.size() - 1), score);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  EXPECT_EQ(targets, reference_["nll"]["n_targets"]);
  EXPECT_NEAR(total / static_cast<double>(targets), reference_["nll"]["mean_nll"],
              tolerance("nll_abs"));
}

// ---- step by step

constexpr double kStepTolerance = 2e-6;  // of a value, relative to the largest of its tensor

class FamilySteps : public FamilyGolden {
 protected:
  FamilySteps()
      : file_(open_tensors(folder_ + "/activations.safetensors")),
        model_(*load_model(folder_)),
        record_(executable(), read_tensor<int32_t>(file_, "ids")) {}

  int64_t columns_of(const std::string& name) const { return file_.find(name)->shape.back(); }

  void check(const std::string& name, const std::string& written, int64_t first = 0) {
    const auto expected = read_tensor<float>(file_, name);
    const double relative =
        relative_max(record_.floats(written, first, columns_of(name)), expected);
    EXPECT_LE(relative, kStepTolerance) << name;
    worst_ = std::max(worst_, relative);
  }
  // The codes and scales that a step left, which are those of `name`.
  void check_codes(const std::string& name, const std::string& step) {
    EXPECT_EQ(record_.codes(step + ".q", columns_of(name + ".codes")),
              read_tensor<int8_t>(file_, name + ".codes"))
        << name;
    const auto scales = read_tensor<float>(file_, name + ".step");
    EXPECT_LE(relative_max(record_.floats(step + ".scale", 0, 1), scales), kStepTolerance) << name;
  }
  // A projection by itself, from the recorded codes: what a norm or an activation behind it hides
  // is seen here. y = (codes . trits) * (step * scale)
  void check_projection(const std::string& name, const std::string& weight,
                        const std::string& input) {
    const auto& sources = model_.graph.ternary;
    const auto source = std::ranges::find(sources, weight, &TernarySource::name);
    ASSERT_NE(source, sources.end()) << weight;
    const auto matrix = source->load();
    ASSERT_TRUE(matrix.ok()) << matrix.status().message();
    const auto codes = read_tensor<int8_t>(file_, input + ".codes");
    const auto steps = read_tensor<float>(file_, input + ".step");
    std::vector<float> y;
    for (size_t row = 0; row < steps.size(); ++row)
      for (int64_t n = 0; n < matrix->n; ++n) {
        int64_t sum = 0;
        for (int64_t k = 0; k < matrix->k; ++k)
          sum += codes[row * static_cast<size_t>(matrix->k) + static_cast<size_t>(k)] *
                 matrix->trits[static_cast<size_t>(n * matrix->k + k)];
        y.push_back(static_cast<float>(sum) * (steps[row] * matrix->scales.values[0]));
      }
    EXPECT_LE(relative_max(y, read_tensor<float>(file_, name)), 1e-6) << name;
  }

  SafetensorsFile file_;
  LoadedModel model_;
  StepRecord record_;
  double worst_ = 0;
};

TEST_P(FamilySteps, EveryStepOfAPrompt) {
  check("embed", "embed_tokens.h");
  const ModelConfig& config = model_.graph.config;
  const int64_t k_column = round_up(config.q_heads * config.head_dim, kTileRows);
  const int64_t v_column = k_column + round_up(config.kv_heads * config.head_dim, kTileRows);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string at = fmt::format("layers.{}.", layer), weights = "model." + at;
    check_codes(at + "qkv", at + "input_layernorm");
    check(at + "q_proj", at + "qkv_proj.y");
    check(at + "k_proj", at + "qkv_proj.y", k_column);
    check(at + "v_proj", at + "qkv_proj.y", v_column);
    check(at + "q_rope", at + "rope.qkv");
    check(at + "k_rope", at + "rope.qkv", k_column);
    check(at + "attn_out", at + "attention.out");
    const bool normed = record_.contains(at + "attn_sub_norm.q");
    check_codes(at + "o", at + (normed ? "attn_sub_norm" : "o_proj.quantize"));
    check(at + "resid_mid", at + "o_proj.y");
    check_codes(at + "gate_up", at + "post_attention_layernorm");
    check(at + "act_times_up", at + "gate_up_proj.y");
    check_codes(at + "down", at + (normed ? "ffn_sub_norm" : "down_proj.quantize"));
    check(at + "resid_out", at + "down_proj.y");
    for (const auto& [name, part, input] : {std::tuple{"q_proj", "self_attn.", "qkv"},
                                            {"k_proj", "self_attn.", "qkv"},
                                            {"v_proj", "self_attn.", "qkv"},
                                            {"o_proj", "self_attn.", "o"},
                                            {"gate_proj", "mlp.", "gate_up"},
                                            {"up_proj", "mlp.", "gate_up"},
                                            {"down_proj", "mlp.", "down"}})
      check_projection(at + name, weights + part + name, at + input);
  }
  check("final_norm", "norm.y");
  const double logits = relative_max(record_.logits(), read_tensor<float>(file_, "logits"));
  EXPECT_LE(logits, kStepTolerance);
  std::printf("largest relative difference of a step %.2g, of the logits %.2g\n", worst_, logits);
}

// ---- forms and bits

// Logits of every position of a prompt, and of some single tokens behind it.
std::vector<float> bits_of(const std::shared_ptr<const Executable>& executable,
                           const SessionOptions& options) {
  auto session = make_session(executable, options);
  std::vector<float> all;
  const auto collect = [&](int64_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  };
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 21; ++i) ids.push_back((i * 37 + 5) % 900);
  const Status status = session->append_all_logits(ids, collect);
  EXPECT_TRUE(status.ok()) << status.message();
  for (int step = 0; step < 3; ++step) {
    const int32_t id = argmax(session->logits());
    EXPECT_TRUE(session->append_all_logits({&id, 1}, collect).ok());
  }
  return all;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b,
                      const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << what;
}

// However such a model is published, it is the same model.
TEST_P(FamilyGolden, FormsGiveTheSameBits) {
  const auto expected = bits_of(executable(), {.threads = 1});
  const TempFolder temporary;
  const auto check = [&](const ModelFiles& model, const std::string& form, int shards) {
    write_model(model, temporary.path() / form, shards);
    const auto linked = compile_and_link(temporary.file(form), host_target());
    expect_same_bits(bits_of(linked, {.threads = 1}), expected, form);
  };
  ModelFiles model = read_model_files(folder_);
  check(model, "sharded", 3);
  const auto family = executable()->model->description().config.family;
  if (family == "llama") return;  // published as packed weights only
  unpack_to_masters(model);
  model.config["quantization_config"]["quantization_mode"] = "online";
  check(model, "masters", 1);
  model.config.erase("quantization_config");
  check(model, "masters without quantization_config", 2);
}

TEST_P(FamilyGolden, SameBitsOnEveryTierThreadCountAndChunk) {
  const auto expected = bits_of(executable(), {.threads = 1});
  for (const int chunk : {1, 3, 8, 9})
    expect_same_bits(bits_of(executable(), {.threads = 2, .chunk_tokens = chunk}), expected,
                     fmt::format("chunks of {}", chunk));
  for (const Isa isa : tiers_here())
    expect_same_bits(bits_of(compile_and_link(folder_, target_for(isa)), {.threads = 2}), expected,
                     std::string(isa_name(isa)));
}

std::string test_name(const testing::TestParamInfo<const char*>& family) {
  std::string name = family.param;
  std::ranges::replace(name, '-', '_');
  return name;
}
constexpr const char* kModels[] = {"2b4t", "1bitllm-regular", "1bitllm-odd", "llama",
                                   "llama-head-dim"};
INSTANTIATE_TEST_SUITE_P(Models, FamilyGolden, testing::ValuesIn(kModels), test_name);
INSTANTIATE_TEST_SUITE_P(Models, FamilySteps, testing::ValuesIn(kModels), test_name);

}  // namespace
}  // namespace bitnetc::test
