#include "frontend/gguf/gguf_architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace bitnetc {
namespace {

constexpr GgufTensorName kOutsideNames[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};

constexpr GgufTensorName kLlamaNames[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

constexpr GgufTensorName kBitnetNames[] = {
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.attn_sub_norm", "attn_sub_norm"},
    {"self_attn.inner_attn_ln", "attn_sub_norm"},
    {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.ffn_sub_norm", "ffn_sub_norm"},
    {"mlp.ffn_layernorm", "ffn_sub_norm"},
    {"mlp.down_proj", "ffn_down"},
};

constexpr GgufTensorName kQwen3Names[] = {
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"self_attn.q_proj.norm", "attn_q_norm_in"},
    {"self_attn.k_proj.norm", "attn_k_norm_in"},
    {"self_attn.v_proj.norm", "attn_v_norm_in"},
    {"self_attn.o_proj.norm", "attn_output_norm_in"},
    {"mlp.gate_proj.norm", "ffn_gate_norm_in"},
    {"mlp.up_proj.norm", "ffn_up_norm_in"},
    {"mlp.down_proj.norm", "ffn_down_norm_in"},
};

constexpr GgufTensorName kGemma3Names[] = {
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"self_attn.q_proj.norm", "attn_q_norm_in"},
    {"self_attn.k_proj.norm", "attn_k_norm_in"},
    {"self_attn.v_proj.norm", "attn_v_norm_in"},
    {"self_attn.o_proj.norm", "attn_output_norm_in"},
    {"mlp.gate_proj.norm", "ffn_gate_norm_in"},
    {"mlp.up_proj.norm", "ffn_up_norm_in"},
    {"mlp.down_proj.norm", "ffn_down_norm_in"},
};

// Of two rows with one family the first is written.
constexpr GgufArchitecture kArchitectures[] = {
    {.name = "bitnet-b1.58",
     .family = "bitnet",
     .activation = "relu2",
     .layer_names = kBitnetNames,
     .repairs_tokenizer = true},
    {.name = "bitnet-25",
     .family = "bitnet",
     .activation = "relu2",
     .layer_names = kBitnetNames,
     .repairs_tokenizer = true},
    {.name = "bitnet", .family = "1bitllm", .activation = "silu", .layer_names = kBitnetNames},
    {.name = "llama",
     .family = "llama",
     .activation = "silu",
     .permutes_qk = true,
     .layer_names = kLlamaNames},
    {.name = "qwen3", .family = "qwen3", .activation = "silu", .layer_names = kQwen3Names},
    {.name = "gemma3",
     .family = "gemma3",
     .activation = "gelu_pytorch_tanh",
     .layer_names = kGemma3Names,
     .window_period = 6},
};

// "3.mlp.up_proj" of "model.layers.3.mlp.up_proj", taken apart.
struct InLayer {
  int64_t layer = 0;
  std::string_view part;
};
std::optional<InLayer> in_layer(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  InLayer result;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), result.layer);
  const bool is_number = failure == std::errc() && result.layer >= 0;
  if (!is_number || end == name.data() + name.size() || *end != '.') return std::nullopt;
  result.part = name.substr(static_cast<size_t>(end - name.data()) + 1);
  return result;
}

std::optional<std::string_view> file_name(std::span<const GgufTensorName> names,
                                          std::string_view family_name) {
  const auto found = std::ranges::find(names, family_name, &GgufTensorName::family);
  return found == names.end() ? std::nullopt : std::optional(found->file);
}

}  // namespace

std::span<const GgufArchitecture> gguf_architectures() {
  return kArchitectures;
}

const GgufArchitecture* find_gguf_architecture(std::string_view name) {
  const auto* found = std::ranges::find(kArchitectures, name, &GgufArchitecture::name);
  return found == std::end(kArchitectures) ? nullptr : found;
}

const GgufArchitecture* gguf_architecture_of_family(std::string_view family) {
  const auto* found = std::ranges::find(kArchitectures, family, &GgufArchitecture::family);
  return found == std::end(kArchitectures) ? nullptr : found;
}

std::string known_gguf_architectures() {
  std::string text;
  for (const GgufArchitecture& each : kArchitectures)
    text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", each.name);
  return text;
}

std::optional<std::string> gguf_tensor_name(const GgufArchitecture& architecture,
                                            std::string_view weight) {
  if (const auto name = file_name(kOutsideNames, weight)) return std::string(*name);
  const auto inside = in_layer(weight, "model.layers.");
  if (!inside) return std::nullopt;
  const auto name = file_name(architecture.layer_names, inside->part);
  return name ? std::optional(fmt::format("blk.{}.{}", inside->layer, *name)) : std::nullopt;
}

std::optional<int64_t> gguf_layer_of(std::string_view tensor_name) {
  const auto inside = in_layer(tensor_name, "blk.");
  return inside ? std::optional(inside->layer) : std::nullopt;
}

}  // namespace bitnetc
