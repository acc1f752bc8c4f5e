#include <algorithm>

#include "frontend/synth.h"

namespace bitnetc {
namespace {

constexpr std::string_view kFamilyNames[] = {"bitnet", "1bitllm", "llama", "qwen3", "gemma3"};

// The models that bitnet.cpp's generator makes: as many key heads as query heads.
constexpr NamedSynthShape dummy(std::string_view name, int64_t hidden, int64_t ffn, int64_t layers,
                                int64_t heads) {
  return {name,
          "as bitnet.cpp benchmarks",
          {.family = SynthFamily::kOneBitLlm,
           .hidden = hidden,
           .ffn = ffn,
           .layers = layers,
           .heads = heads,
           .kv_heads = heads,
           .head_dim = hidden / heads,
           .vocab = 32002,
           .max_positions = 2048}};
}

constexpr NamedSynthShape falcon3(std::string_view name, std::string_view meaning, int64_t hidden,
                                  int64_t ffn, int64_t layers, int64_t vocab = 131072) {
  return {name,
          meaning,
          {.family = SynthFamily::kLlama,
           .hidden = hidden,
           .ffn = ffn,
           .layers = layers,
           .heads = hidden / 256,
           .kv_heads = 4,
           .head_dim = 256,
           .vocab = vocab,
           .max_positions = 32768}};
}

constexpr NamedSynthShape falcon_e(std::string_view name, std::string_view meaning, int64_t ffn,
                                   int64_t layers) {
  return {name,
          meaning,
          {.family = SynthFamily::kLlama,
           .hidden = 2048,
           .ffn = ffn,
           .layers = layers,
           .heads = 16,
           .kv_heads = 2,
           .head_dim = 128,
           .vocab = 32768,
           .max_positions = 32768}};
}

constexpr NamedSynthShape kShapes[] = {
    {"2b-4t",
     "BitNet-b1.58-2B-4T",
     {.family = SynthFamily::kBitnet,
      .hidden = 2560,
      .ffn = 6912,
      .layers = 30,
      .heads = 20,
      .kv_heads = 5,
      .head_dim = 128,
      .vocab = 128256,
      .max_positions = 4096}},
    {"large",
     "bitnet_b1_58-large",
     {.family = SynthFamily::kOneBitLlm,
      .hidden = 1536,
      .ffn = 4096,
      .layers = 24,
      .heads = 16,
      .kv_heads = 16,
      .head_dim = 96,
      .vocab = 32002,
      .max_positions = 2048}},
    {"3b",
     "bitnet_b1_58-3B",
     {.family = SynthFamily::kOneBitLlm,
      .hidden = 3200,
      .ffn = 8640,
      .layers = 26,
      .heads = 32,
      .kv_heads = 32,
      .head_dim = 100,
      .vocab = 32002,
      .max_positions = 2048}},
    {"8b",
     "Llama3-8B-1.58",
     {.family = SynthFamily::kLlama,
      .hidden = 4096,
      .ffn = 14336,
      .layers = 32,
      .heads = 32,
      .kv_heads = 8,
      .head_dim = 128,
      .vocab = 128256,
      .max_positions = 8192}},
    falcon3("falcon3-1b", "Falcon3-1B-Instruct-1.58bit", 2048, 8192, 18),
    falcon3("falcon3-3b", "Falcon3-3B-1.58bit", 3072, 9216, 22),
    falcon3("falcon3-7b", "Falcon3-7B-1.58bit", 3072, 23040, 28, 131080),
    falcon3("falcon3-10b", "Falcon3-10B-1.58bit", 3072, 23040, 40),
    falcon_e("falcon-e-1b", "Falcon-E-1B", 9216, 24),
    falcon_e("falcon-e-3b", "Falcon-E-3B", 13312, 32),
    {"embedding-0.6b",
     "bitnet-embedding-0.6b",
     {.family = SynthFamily::kQwen3,
      .hidden = 1024,
      .ffn = 3072,
      .layers = 28,
      .heads = 16,
      .kv_heads = 8,
      .head_dim = 128,
      .vocab = 151936,
      .max_positions = 32768}},
    {"embedding-270m",
     "bitnet-embedding-270m",
     {.family = SynthFamily::kGemma3,
      .hidden = 640,
      .ffn = 2048,
      .layers = 18,
      .heads = 4,
      .kv_heads = 1,
      .head_dim = 256,
      .vocab = 262144,
      .max_positions = 32768}},
    dummy("125m", 768, 3072, 11, 12),
    dummy("350m", 1024, 3072, 24, 16),
    dummy("1b", 2048, 3584, 24, 32),
    dummy("1.5b", 1536, 9216, 28, 32),
    dummy("2.7b", 3072, 7680, 24, 32),
    dummy("3.8b", 3840, 8192, 24, 32),
    dummy("7b", 4096, 12032, 32, 32),
    dummy("13b", 5120, 13824, 40, 40),
    dummy("30b", 6656, 16384, 60, 52),
    dummy("70b", 8192, 24576, 80, 64),
    dummy("100b", 8192, 45568, 72, 64),
};

Status check_range(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return {};
  return make_error(StatusCode::kInvalidArgument, "--{} {}: expected {} to {}", name, value, least,
                    most);
}

}  // namespace

std::span<const std::string_view> synth_family_names() {
  return kFamilyNames;
}

std::string_view synth_family_name(SynthFamily family) {
  return kFamilyNames[static_cast<size_t>(family)];
}

std::optional<SynthFamily> parse_synth_family(std::string_view name) {
  const auto found = std::ranges::find(kFamilyNames, name);
  if (found == std::end(kFamilyNames)) return std::nullopt;
  return static_cast<SynthFamily>(found - std::begin(kFamilyNames));
}

int64_t SynthShape::ternary_weights() const {
  const int64_t q = heads * head_dim, kv = kv_heads * head_dim;
  return layers * (hidden * (2 * q + 2 * kv) + 3 * hidden * ffn);
}

bool SynthShape::is_encoder() const {
  return family == SynthFamily::kQwen3 || family == SynthFamily::kGemma3;
}

std::span<const NamedSynthShape> named_synth_shapes() {
  return kShapes;
}

const NamedSynthShape* find_synth_shape(std::string_view name) {
  const auto found = std::ranges::find(kShapes, name, &NamedSynthShape::name);
  return found == std::end(kShapes) ? nullptr : found;
}

Status validate(const SynthShape& shape) {
  constexpr int64_t kMostWidth = 1 << 20, kMostLayers = 4096;
  constexpr int64_t kLeastVocab = 258;  // a token for each byte, begin and end of text
  BITNETC_RETURN_IF_ERROR(check_range("hidden", shape.hidden, 4, kMostWidth));
  BITNETC_RETURN_IF_ERROR(check_range("ffn", shape.ffn, 4, kMostWidth));
  BITNETC_RETURN_IF_ERROR(check_range("layers", shape.layers, 1, kMostLayers));
  BITNETC_RETURN_IF_ERROR(check_range("heads", shape.heads, 1, shape.hidden));
  BITNETC_RETURN_IF_ERROR(check_range("kv-heads", shape.kv_heads, 1, shape.heads));
  BITNETC_RETURN_IF_ERROR(check_range("head-dim", shape.head_dim, 2, kMostWidth / shape.heads));
  BITNETC_RETURN_IF_ERROR(check_range("vocab", shape.vocab, kLeastVocab, kMostWidth));
  if (shape.heads % shape.kv_heads != 0)
    return make_error(StatusCode::kInvalidArgument, "--kv-heads {}: expected a divisor of {} heads",
                      shape.kv_heads, shape.heads);
  if (shape.head_dim % 2 != 0)
    return make_error(StatusCode::kInvalidArgument, "--head-dim {}: expected an even number",
                      shape.head_dim);
  return {};
}

}  // namespace bitnetc
