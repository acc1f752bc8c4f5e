// BitNet-b1.58-2B-4T: squared ReLU, and a norm before o_proj and before down_proj.
#include "frontend/families/build.h"
#include "frontend/families/decoder.h"

namespace bitnetc {
namespace {

constexpr std::string_view kArchitectures[] = {"BitNetForCausalLM"};

Status build(const ModelFacts& facts, WeightSource& weights, Graph* graph) {
  constexpr DecoderKind kKind{.activation = Activation::kRelu2,
                              .attention_sub_norm = "self_attn.attn_sub_norm",
                              .ffn_sub_norm = "mlp.ffn_sub_norm"};
  return build_decoder(kKind, facts, weights, graph);
}

}  // namespace

constinit const Family kBitnet = {
    .name = "bitnet",
    .description = "the BitNet-b1.58-2B-4T family",
    .hf = {.model_type = "bitnet",
           .architectures = kArchitectures,
           .activation = "relu2",
           .float_weights_are_masters = true,
           .master_scales_are_bf16 = true},
    .build = build,
};

}  // namespace bitnetc
