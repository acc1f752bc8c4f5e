// Random models: the shapes that published models have, those that bitnet.cpp benchmarks with, and
// whatever a caller makes of them. A model is written as a stream, as a Hugging Face folder:
// config, generation config (of a text encoder the files that say how rows are pooled), a
// byte-level tokenizer and one model.safetensors. Weights are scaled so that activations stay of
// the order of one through any number of layers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/cancel_token.h"
#include "runtime/notes.h"
#include "runtime/status.h"

namespace bitnetc {

// What a checkpoint of the family looks like.
enum class SynthFamily {
  kBitnet,     // BitNet-b1.58-2B-4T: squared ReLU, sub-norms, packed weights that are multiplied
  kOneBitLlm,  // bitnet_b1_58: SiLU, sub-norms, bf16 masters
  kLlama,      // Llama3-8B-1.58: a Llama, packed weights whose scales divide, a head of its own
  kQwen3,      // bitnet-embedding-0.6b: a text encoder, packed weights that are multiplied
  kGemma3,     // bitnet-embedding-270m: the same with more norms and layers that see a window
};
// Those of families/, in the order of the enumeration.
std::span<const std::string_view> synth_family_names();
std::string_view synth_family_name(SynthFamily family);
std::optional<SynthFamily> parse_synth_family(std::string_view name);

struct SynthShape {
  SynthFamily family = SynthFamily::kBitnet;
  int64_t hidden = 0, ffn = 0, layers = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t vocab = 0;
  int64_t max_positions = 4096;

  int64_t ternary_weights() const;
  bool is_encoder() const;
};

struct NamedSynthShape {
  std::string_view name;  // "2b-4t"
  std::string_view meaning;
  SynthShape shape;
};
std::span<const NamedSynthShape> named_synth_shapes();
const NamedSynthShape* find_synth_shape(std::string_view name);  // null when there is none

// Error: kInvalidArgument naming the first number that no model of the family can have.
Status validate(const SynthShape& shape);

struct SynthRequest {
  SynthShape shape;
  uint64_t seed = 0;
  double zeros = 1.0 / 3;  // share of the trits that are zero, 0 to 1
  // Share of the neurons whose gate is positive, whatever the token; none: about half of them, by
  // chance. Squared ReLU only.
  std::optional<double> active = {};
};

// Bytes of model.safetensors.
int64_t synth_bytes(const SynthRequest& request);

// Into `folder`, which is free or an empty folder. config.json is written last: until then the
// folder is no model. Error: kInvalidArgument (the request, a folder that holds something),
// kIoError (also where the file system has not enough room, before anything is written),
// kCancelled (what was written is removed).
Status write_synth_folder(const SynthRequest& request, const std::string& folder, Notes& notes,
                          const CancelToken* cancel = nullptr);

}  // namespace bitnetc
