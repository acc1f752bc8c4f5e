// What a value of general.architecture means: the family that runs it and how its file spells a
// model. Adding an architecture is adding a row.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {

// A weight of a family and of a file, both without ".weight". Inside a layer: without
// "model.layers.N." and "blk.N.".
struct GgufTensorName {
  std::string_view family;  // "self_attn.q_proj"
  std::string_view file;    // "attn_q"
};

// Of the whole model: what the frequency of each rotated pair is divided by (gguf_rope.h).
inline constexpr char kGgufRopeFactors[] = "rope_freqs.weight";

struct GgufArchitecture {
  std::string_view name;    // "bitnet-b1.58"
  std::string_view family;  // Family::name (families/family.h)
  // hidden_activation when the file has none; a file with another one is refused.
  std::string_view activation;
  // The file has the rows of q and k reordered within each head, so that RoPE turns neighbours.
  bool permutes_qk = false;
  std::span<const GgufTensorName> layer_names;
  // Where the file has a window and does not say otherwise, the last of every so many layers sees
  // all positions; 0: layers see no windows.
  int64_t window_period = 0;
  // A Llama-3 tokenizer is known to come with no tokenizer.ggml.pre, or a wrong one, and with a
  // wrong chat template (docs/gguf.md).
  bool repairs_tokenizer = false;
};

std::span<const GgufArchitecture> gguf_architectures();
const GgufArchitecture* find_gguf_architecture(std::string_view name);  // null when unknown
// The one that a model of a family is written as. Null when there is none.
const GgufArchitecture* gguf_architecture_of_family(std::string_view family);
std::string known_gguf_architectures();  // `"bitnet", "bitnet-25", ...`

// "blk.3.ffn_up" for "model.layers.3.mlp.up_proj"; nothing for a weight that the architecture has
// not.
std::optional<std::string> gguf_tensor_name(const GgufArchitecture& architecture,
                                            std::string_view weight);

// 3 of "blk.3.attn_q.weight"; nothing for a tensor outside the layers.
std::optional<int64_t> gguf_layer_of(std::string_view tensor_name);

}  // namespace bitnetc
