// What the families share: a stack of layers, each of attention and a gated product, with norms at
// places that differ from family to family.
//
//   h = embed[token]
//   each layer:  a = norm(h);  h += o( sub_norm( attention( rope(q(a)), rope(k(a)), v(a) ) ) )
//                b = norm(h);  h += down( sub_norm( activation(gate(b)) * up(b) ) )
//   logits = head( norm(h) )
//
// q k v o gate up down are BitLinear, the head is a float table.
#pragma once

#include <string_view>

#include "frontend/families/family.h"

namespace bitnetc {

// How the layers of a family differ. Weights are named as in a Hugging Face checkpoint, without
// "model.layers.N."; an empty name: there is no such norm.
struct DecoderKind {
  Activation activation = Activation::kSilu;
  std::string_view attention_sub_norm = {};  // of all heads together, before o_proj
  std::string_view ffn_sub_norm = {};        // of the gated product, before down_proj
};

// Family::build of a family of that kind.
Status build_decoder(const DecoderKind& kind, const ModelFacts& facts, WeightSource& weights,
                     Graph* graph);

}  // namespace bitnetc
