// What the families share: a stack of layers, each of attention and a gated product, with norms at
// places that differ from family to family.
//
//   h = embed[token] * scale
//   each layer:  a = norm(h);  h += norm( o( sub_norm( attention( rope(norm(q(a))),
//                                                                 rope(norm(k(a))), v(a) ) ) ) )
//                b = norm(h);  h += norm( down( sub_norm( activation(gate(b)) * up(b) ) ) )
//   logits = head( norm(h) ), or norm(h) itself
//
// q k v o gate up down are BitLinear, maybe with a norm of their own in front; the head is a float
// table.
#pragma once

#include <string_view>

#include "frontend/families/family.h"

namespace bitnetc {

// How the layers of a family differ. Weights are named as in a Hugging Face checkpoint, without
// "model.layers.N."; an empty name: there is no such norm.
struct DecoderKind {
  Activation activation = Activation::kSilu;
  std::string_view attention_sub_norm = {};                // of all heads together, before o_proj
  std::string_view ffn_sub_norm = {};                      // of the gated product, before down_proj
  std::string_view ffn_norm = "post_attention_layernorm";  // of h, before gate and up
  std::string_view attention_post_norm = {};               // of o's output, before it is added
  std::string_view ffn_post_norm = {};                     // of down's output, before it is added
  bool head_norms = false;  // each head of q and of k, before its rotation: q_norm, k_norm
  // Every projection norms its own input: "self_attn.q_proj.norm" and so on.
  bool projection_norms = false;
  bool scales_embedding = false;  // by sqrt(hidden_size), in fp32
};

// Family::build of a family of that kind.
Status build_decoder(const DecoderKind& kind, const ModelFacts& facts, WeightSource& weights,
                     Graph* graph);

}  // namespace bitnetc
