// Llama with ternary projections (Llama3-8B-1.58, Falcon3 1.58bit, Falcon-E): SiLU, no sub-norms,
// so that attention and the gated product are quantised as they are.
#include "frontend/families/build.h"
#include "frontend/families/decoder.h"

namespace bitnetc {
namespace {

constexpr std::string_view kArchitectures[] = {"LlamaForCausalLM"};

Status build(const ModelFacts& facts, WeightSource& weights, Graph* graph) {
  constexpr DecoderKind kKind{.activation = Activation::kSilu};
  return build_decoder(kKind, facts, weights, graph);
}

}  // namespace

constinit const Family kLlama = {
    .name = "llama",
    .description = "Llama with ternary projections",
    .hf = {.model_type = "llama",
           .architectures = kArchitectures,
           .activation = "silu",
           .float_weights_are_masters = false},
    .build = build,
};

}  // namespace bitnetc
