// bitnet_b1_58-large, -xl and -3B of 1bitLLM: SiLU, and the sub-norms of BitNet under their older
// names. As many key heads as query heads; published as float masters, without a word about
// quantisation in config.json but for weight_bits and the architecture's name.
#include "frontend/families/build.h"
#include "frontend/families/decoder.h"

namespace bitnetc {
namespace {

constexpr std::string_view kArchitectures[] = {"BitnetForCausalLM"};

Status build(const ModelFacts& facts, WeightSource& weights, Graph* graph) {
  constexpr DecoderKind kKind{.activation = Activation::kSilu,
                              .attention_sub_norm = "self_attn.inner_attn_ln",
                              .ffn_sub_norm = "mlp.ffn_layernorm"};
  return build_decoder(kKind, facts, weights, graph);
}

}  // namespace

constinit const Family kOneBitLlm = {
    .name = "1bitllm",
    .description = "bitnet_b1_58-large, -xl and -3B",
    .hf = {.model_type = "llama",
           .architectures = kArchitectures,
           .activation = "silu",
           .float_weights_are_masters = true},
    .build = build,
};

}  // namespace bitnetc
