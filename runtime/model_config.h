// The plain facts of a model that survive compilation: its numbers, its defaults for generation and
// where it came from. Written by a frontend, carried through the artifact, read by the runtime.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {

// How the frequencies of RoPE are changed for contexts longer than those of training
// (docs/numerics.md). A kind reads the numbers beside it.
struct RopeScaling {
  enum class Kind {
    kNone,
    kLinear,  // factor
    kLlama3,  // factor, original_positions, low_freq_factor, high_freq_factor
    kYarn,    // factor, original_positions, beta_fast, beta_slow, truncate, amplitude
  };
  Kind kind = Kind::kNone;
  double factor = 1;               // at least 1
  int64_t original_positions = 0;  // the context of training
  double low_freq_factor = 0, high_freq_factor = 0;
  double beta_fast = 0, beta_slow = 0;
  bool truncate = true;  // the edges of the ramp are whole numbers
  double amplitude = 1;  // of every cosine and sine
  bool operator==(const RopeScaling&) const = default;
};
// 1 / sqrt(d) in double, rounded once.
float attention_scale_of(double d);
std::string_view rope_scaling_name(RopeScaling::Kind kind);  // "none", "linear", "llama3", "yarn"
std::optional<RopeScaling::Kind> parse_rope_scaling(std::string_view name);
// "linear, factor 2"; "yarn, factor 4 over 128 positions, beta 32 and 1, amplitude 1.1386". No two
// that differ have the same text.
std::string describe(const RopeScaling& scaling);

// What one layer has of its own where layers differ.
struct LayerFacts {
  int64_t window = 0;  // positions a token sees, its own included; 0: all
  double rope_theta = 0;
  RopeScaling rope_scaling = {};
  bool operator==(const LayerFacts&) const = default;
};

// What a model computes for a row of its input.
enum class ModelOutput {
  kLogits,  // of the vocabulary: a language model
  kHidden,  // the last hidden row, normed: a text encoder
};

// What the numbers of the model are; every one is read from the model's own files.
struct ModelConfig {
  std::string family;  // "bitnet"
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t layers = 0;
  int64_t q_heads = 0, kv_heads = 0, head_dim = 0;
  int64_t max_positions = 0;
  double rope_theta = 0;
  RopeScaling rope_scaling;
  // One for each layer; none: every layer sees all positions and turns as said above.
  std::vector<LayerFacts> layer_facts = {};
  float norm_eps = 0;
  // Of q k^T; none: 1 / sqrt(head_dim).
  std::optional<float> stated_attention_scale = {};
  ModelOutput output = ModelOutput::kLogits;

  // A layer that has nothing of its own.
  LayerFacts usual_layer() const {
    return {.rope_theta = rope_theta, .rope_scaling = rope_scaling};
  }
  float attention_scale() const;
  int64_t output_columns() const {
    return output == ModelOutput::kLogits ? vocab_size : hidden_size;
  }
};

// How a text encoder makes one vector of the rows of a text.
enum class Pooling {
  kLast,   // the row of the last token
  kMean,   // the mean of all rows
  kFirst,  // the row of the first token
};
std::string_view pooling_name(Pooling pooling);  // "last", "mean", "first"
std::optional<Pooling> parse_pooling(std::string_view name);

// What the files of a text encoder say of its use.
struct EncoderDefaults {
  std::optional<Pooling> pooling;              // none: they do not say
  std::map<std::string, std::string> prompts;  // by name: put in front of a text
  std::string default_prompt;                  // a name of `prompts`; empty: none
  bool operator==(const EncoderDefaults&) const = default;
};

// Defaults for generation, from generation_config.json and config.json.
struct GenerationDefaults {
  std::optional<int32_t> bos_id;
  std::vector<int32_t> stop_ids;
  bool do_sample = false;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
  std::vector<int32_t> suppress_tokens;             // never generated
  std::vector<std::vector<int32_t>> bad_words_ids;  // sequences that are never finished
  int no_repeat_ngram_size = 0;                     // no n-gram comes twice; 0: off
  // Keys that would change the text and are not implemented: "num_beams = 4".
  std::vector<std::string> unsupported_keys;
};

// One input file and the digest of its content, for the provenance of an artifact.
struct SourceFile {
  std::string name;
  uint64_t size_bytes = 0;
  std::string xxh3;  // 32 hex digits
};

}  // namespace bitnetc
