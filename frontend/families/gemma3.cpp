// bitnet-embedding-270m: a Gemma 3 that gives hidden rows. Its native norms, of which two stand
// behind attention and the gated product, multiply by (1 + w); those in front of every projection
// by w.
#include "frontend/families/build.h"
#include "frontend/families/decoder.h"

namespace bitnetc {
namespace {

constexpr std::string_view kArchitectures[] = {"Gemma3TextModel", "Gemma3ForCausalLM"};

Status check(const ModelFacts& facts) {
  if (!facts.has_projection_norms)
    return Status(StatusCode::kUnsupported,
                  "is a Gemma 3 language model without norms in front of its projections, not a "
                  "ternary model");
  return {};
}

Status build(const ModelFacts& facts, WeightSource& weights, Graph* graph) {
  BITNETC_RETURN_IF_ERROR(check(facts));
  constexpr DecoderKind kKind{.activation = Activation::kGelu,
                              .ffn_norm = "pre_feedforward_layernorm",
                              .attention_post_norm = "post_attention_layernorm",
                              .ffn_post_norm = "post_feedforward_layernorm",
                              .head_norms = true,
                              .projection_norms = true,
                              .scales_embedding = true};
  return build_decoder(kKind, facts, weights, graph);
}

}  // namespace

constinit const Family kGemma3 = {
    .name = "gemma3",
    .description = "bitnet-embedding-270m",
    .hf = {.model_type = "gemma3_text",
           .architectures = kArchitectures,
           .activation = "gelu_pytorch_tanh",
           .activation_key = "hidden_activation",
           .float_weights_are_masters = true,
           .norms_less_one = true,
           .kv_heads = 4,
           .head_dim = 256,
           .rope_theta = 1e6,
           .attention_scalar = 256,
           .tied_head = true,
           .may_have_projection_norms = true,
           .has_window_layers = true,
           .window_rope_theta = 1e4},
    .output = ModelOutput::kHidden,
    .check = check,
    .build = build,
};

}  // namespace bitnetc
