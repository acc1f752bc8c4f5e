// bitnet-embedding-0.6b: a Qwen3 that gives hidden rows. Norms of the heads of q and k, and a norm
// in front of every projection, so that no two of them share a quantised input.
#include "frontend/families/build.h"
#include "frontend/families/decoder.h"

namespace bitnetc {
namespace {

constexpr std::string_view kArchitectures[] = {"Qwen3Model", "Qwen3ForCausalLM"};

Status check(const ModelFacts& facts) {
  if (!facts.has_projection_norms)
    return Status(StatusCode::kUnsupported,
                  "is a Qwen3 language model without norms in front of its projections: its float "
                  "activations (and, if it is ternary, scales per group) have no kernels yet");
  return {};
}

Status build(const ModelFacts& facts, WeightSource& weights, Graph* graph) {
  BITNETC_RETURN_IF_ERROR(check(facts));
  constexpr DecoderKind kKind{
      .activation = Activation::kSilu, .head_norms = true, .projection_norms = true};
  return build_decoder(kKind, facts, weights, graph);
}

}  // namespace

constinit const Family kQwen3 = {
    .name = "qwen3",
    .description = "bitnet-embedding-0.6b",
    .hf = {.model_type = "qwen3",
           .architectures = kArchitectures,
           .activation = "silu",
           .float_weights_are_masters = true,
           .kv_heads = 32,
           .head_dim = 128,
           .rope_theta = 1e4,
           .may_have_projection_norms = true},
    .output = ModelOutput::kHidden,
    .check = check,
    .build = build,
};

}  // namespace bitnetc
