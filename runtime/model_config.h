// The plain facts of a model that survive compilation: its numbers, its defaults for generation and
// where it came from. Written by a frontend, carried through the artifact, read by the runtime.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitnetc {

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
  float norm_eps = 0;
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
