// Shapes of synthetic models: those that published models have, those that bitnet.cpp benchmarks
// with, and whatever a caller makes of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

// What a checkpoint of the family looks like.
enum class SynthFamily {
  kBitnet,     // BitNet-b1.58-2B-4T: squared ReLU, sub-norms, packed weights that are multiplied
  kOneBitLlm,  // bitnet_b1_58: SiLU, sub-norms, bf16 masters
  kLlama,      // Llama3-8B-1.58: a Llama, packed weights whose scales divide, a head of its own
};
std::span<const std::string_view> synth_family_names();  // in the order of the enumeration
std::string_view synth_family_name(SynthFamily family);
std::optional<SynthFamily> parse_synth_family(std::string_view name);

struct SynthShape {
  SynthFamily family = SynthFamily::kBitnet;
  int64_t hidden = 0, ffn = 0, layers = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t vocab = 0;
  int64_t max_positions = 4096;

  int64_t ternary_weights() const;
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

}  // namespace bitnetc
