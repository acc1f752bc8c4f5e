// The model families bitnetc knows: what a model is, apart from how a file spells it. A family
// turns facts and weights into a Graph. docs/adding-a-family.md says how to add one.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph.h"
#include "frontend/weight_source.h"
#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

// What a reader takes from a file, whatever its format. No dimension exceeds kMaxDimension: an
// int32 sum over K products of an int8 and a trit then cannot overflow.
inline constexpr int64_t kMaxDimension = (int64_t{1} << 24) - 1;
inline constexpr int64_t kMaxLayers = int64_t{1} << 16;
inline constexpr int64_t kMaxPositions = int64_t{1} << 24;
inline constexpr double kFloatMin = std::numeric_limits<float>::min();
inline constexpr double kFloatMax = std::numeric_limits<float>::max();

// What a family needs to know before it sees a weight. Read and range-checked by the file format's
// reader.
struct ModelFacts {
  ModelConfig config;
  bool tied_head = false;  // the head reads the embedding table
  // The weights have a norm in front of every projection, "self_attn.q_proj.norm". It tells text
  // encoders of some families from ordinary float models.
  bool has_projection_norms = false;
  // The native norms of a family that multiplies by (1 + w) are stored as w; else as 1 + w.
  bool norms_less_one = false;
};

// How a Hugging Face config.json speaks of a family.
struct HfSpelling {
  std::string_view model_type;
  // The first is meant where config.json names none.
  std::span<const std::string_view> architectures;
  std::string_view activation;  // the one value of `activation_key`
  std::string_view activation_key = "hidden_act";
  // Float projections without a quantization_config are masters of ternary ones. Where not, they
  // are an ordinary float model, which this family is not.
  bool float_weights_are_masters = false;
  // The scale of a matrix of masters is the bf16 nearest to their mean magnitude, as packed
  // checkpoints of the family store it; else that mean in fp32.
  bool master_scales_are_bf16 = false;
  bool norms_less_one = false;  // ModelFacts::norms_less_one
  // What absent keys mean. Zero: heads, hidden_size / heads, that rope_theta must be there, and
  // head_dim.
  int64_t kv_heads = 0, head_dim = 0;
  double rope_theta = 0;
  double attention_scalar = 0;  // query_pre_attn_scalar: attention is scaled by its inverse root
  bool tied_head = false;
  // quantization_config may say use_rms_norm: every projection has a norm in front.
  bool may_have_projection_norms = false;
  // Layers of "sliding_attention", which turn by a theta of their own, may be there; without
  // layer_types some are.
  bool has_window_layers = false;
  double window_rope_theta = 0;
};

struct Family {
  std::string_view name;         // ModelConfig::family
  std::string_view description;  // for messages
  HfSpelling hf;
  ModelOutput output = ModelOutput::kLogits;
  // Refuses models that only look like the family's; null: there are none. For readers that want to
  // know before they read weights.
  // Error: kUnsupported, saying what the model is.
  Status (*check)(const ModelFacts& facts) = nullptr;
  // Fills values, nodes and weights of `graph`. The graph is valid if the facts are what they say.
  // Error: as the source's, and check()'s.
  Status (*build)(const ModelFacts& facts, WeightSource& weights, Graph* graph);
};

std::span<const Family* const> families();
// Null when there is no family of that name.
const Family* find_family(std::string_view name);
// The family of a config.json. `architecture` is empty where config.json names none.
// Error: kUnsupported naming the value that no family has, and those that one has.
Result<const Family*> find_hf_family(std::string_view model_type, std::string_view architecture);

}  // namespace bitnetc
