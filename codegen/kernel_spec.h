// What a kernel computes: the operation and every number that is baked into its code. One struct per
// operation, plain values with defaulted comparison; `spec_name` prints one and `parse_spec` reads it
// back, so a name in a log, a .bnc file or on the command line is a spec.
//
//   matmul_i8_i2s_f32_n3840_k2560_m1_scale
//   matmul_i8_tl2_f32_n3840_k2560_mN_scale
//   normquant_f32_i8_k2560_eps1e-05
//   matmul_i8_i2s_f32_n13824_k2560_m1_silumul_rowmax, then quant_f32_i8_k6912
//   attention_f32_d128_scale0.088388346
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "codegen/weight_layout.h"
#include "runtime/float_type.h"
#include "runtime/status.h"

namespace bitnetc {

enum class Epilogue {
  kScale,     // y = f(sum)
  kResidual,  // y = residual + f(sum)
  // Rows alternate gate tile, up tile; n/2 columns.
  kRelu2Mul,  // y = relu(gate)^2 * up
  kSiluMul,   // y = silu(gate) * up
  kGeluMul,   // y = gelu(gate) * up, the tanh form
};
inline constexpr Epilogue kEpilogues[] = {Epilogue::kScale, Epilogue::kResidual,
                                          Epilogue::kRelu2Mul, Epilogue::kSiluMul,
                                          Epilogue::kGeluMul};
std::string_view epilogue_name(Epilogue epilogue);  // "scale", "residual", "relu2mul", ...
// Whether gate and up tiles alternate.
constexpr bool is_gated(Epilogue epilogue) {
  return epilogue >= Epilogue::kRelu2Mul;
}

// i8 x ternary -> f32 (MatmulArgs). n counts packed rows: a multiple of kTileRows.
struct MatmulSpec {
  int64_t n = 0, k = 0;
  int m = 1;  // tokens per call, 1..kMaxSmallM, or kAnyM
  LayoutId layout = LayoutId::kI2S;
  Epilogue epilogue = Epilogue::kScale;
  bool row_max = false;  // leaves the largest |y| of every token in MatmulArgs::row_max

  WeightLayout weight_layout() const { return {.id = layout, .n = n, .k = k}; }
  int64_t output_columns() const { return is_gated(epilogue) ? n / 2 : n; }
  auto operator<=>(const MatmulSpec&) const = default;
};
inline constexpr int kMaxSmallM = 8;
inline constexpr int kAnyM = 0;  // MatmulArgs::m says how many; "mN" in names

// How a matmul that looks sums up wants them: for every field of every word of a block of columns
// (codegen/layout/word_cells.h), in the order block, word, field, the sum x·w for each code c of the field.
enum class TableForm {
  kNone,  // none: the kernel reads x
  kWords,  // i16 by the field's bits: 16 (tl1) or 32 (tl2, b3) a field; codes that do not occur hold 0
  kBytes,  // low bytes of 16 sums, then their high bytes: tl1 by the field's bits; tl2 and b3 by the
           // magnitude of the field's value, for positive values (b3's lone trit: 0 and 1)
};
std::string_view table_form_name(TableForm form);  // "none", "words", "bytes"

// Tables of one token's sums (BuildTablesArgs).
struct TablesSpec {
  int64_t k = 0;
  LayoutId layout = LayoutId::kTl2;  // any but i2_s
  TableForm form = TableForm::kWords;
  auto operator<=>(const TablesSpec&) const = default;

  int64_t field_bytes() const;  // of one field's table
  int64_t blocks() const;
  int64_t block_bytes() const;  // of the tables of a block of columns
  int64_t table_bytes() const { return blocks() * block_bytes(); }
};

struct NormQuantizeSpec {  // NormQuantizeArgs
  int64_t k = 0;
  float eps = 0;
  auto operator<=>(const NormQuantizeSpec&) const = default;
  int64_t padded_k() const;  // columns of q that are written: k rounded up to kQuantPad
};
// Quantised rows are padded with zeros to a multiple of this: the columns one AMX tile row takes.
inline constexpr int64_t kQuantPad = 64;

struct QuantizeSpec {  // QuantizeArgs
  int64_t k = 0;
  auto operator<=>(const QuantizeSpec&) const = default;
  int64_t padded_k() const;
};

struct RmsNormSpec {  // RmsNormArgs
  int64_t k = 0;
  float eps = 0;
  auto operator<=>(const RmsNormSpec&) const = default;
};

// Rotate-half RoPE on q and k, then fp16 append to the cache (RopeAppendArgs).
struct RopeAppendSpec {
  int64_t q_heads = 0, kv_heads = 0, head_dim = 0;
  auto operator<=>(const RopeAppendSpec&) const = default;
  // Column where the k and v parts of the fused qkv row start: parts begin at whole tiles.
  int64_t k_offset() const;
  int64_t v_offset() const;
  int64_t qkv_columns() const;
};

struct AttentionSpec {  // AttentionArgs
  int64_t head_dim = 0;
  float scale = 0;
  auto operator<=>(const AttentionSpec&) const = default;
};

struct EmbedSpec {  // EmbedArgs
  int64_t k = 0;
  FloatType type = FloatType::kBf16;
  auto operator<=>(const EmbedSpec&) const = default;
};

struct HeadSpec {  // HeadArgs
  int64_t n = 0, k = 0;
  FloatType type = FloatType::kBf16;
  auto operator<=>(const HeadSpec&) const = default;
};

using KernelSpec = std::variant<MatmulSpec, NormQuantizeSpec, RmsNormSpec, RopeAppendSpec,
                                AttentionSpec, EmbedSpec, HeadSpec, QuantizeSpec, TablesSpec>;

std::string spec_name(const KernelSpec& spec);
// Error: kInvalidArgument naming the text, the part that does not parse and the form that was expected.
Result<KernelSpec> parse_spec(std::string_view name);
// Numbers that no kernel of the operation can have (n not a multiple of 16, m neither 1..8 nor kAnyM, k <= 0 ...).
Status validate(const KernelSpec& spec);

}  // namespace bitnetc
