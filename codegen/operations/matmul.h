// Ternary matmul: int8 activations times {-1, 0, +1}, scaled to f32, with an epilogue.
// Page: docs/operations/matmul.md
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/operations/operation.h"
#include "codegen/weight_layout.h"

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

// n counts packed rows: a multiple of kTileRows.
struct MatmulSpec {
  int64_t n = 0, k = 0;
  int m = 1;  // tokens per call, 1..kMaxSmallM, or kAnyM
  LayoutId layout = LayoutId::kI2S;
  Epilogue epilogue = Epilogue::kScale;
  bool row_absmax = false;  // leaves the largest |y| of every token in MatmulArgs::row_absmax

  WeightLayout weight_layout() const { return {.id = layout, .n = n, .k = k}; }
  // Tiles of weights that make one tile of outputs: a gate tile and its up tile, or one.
  int tiles_per_unit() const { return is_gated(epilogue) ? 2 : 1; }
  int64_t output_columns() const { return is_gated(epilogue) ? n / 2 : n; }
  int64_t padded_k() const;  // columns of a row of x: k rounded up to kQuantPad
  auto operator<=>(const MatmulSpec&) const = default;
};
inline constexpr int kMaxSmallM = 8;
inline constexpr int kAnyM = 0;  // MatmulArgs::m says how many; "mN" in names

namespace reference {
void matmul(const MatmulSpec& spec, const MatmulArgs& args);
}

template <>
struct Operation<MatmulSpec> {
  using Args = MatmulArgs;
  static constexpr std::string_view kName = "matmul";
  static constexpr auto kReference = &reference::matmul;
  static std::vector<Operand> operands(const MatmulSpec& spec);
  static Status validate(const MatmulSpec& spec);
  static std::string name(const MatmulSpec& spec);
  static MatmulSpec parse(NameReader& reader);
  static Work work(const MatmulSpec& spec, int64_t rows, int64_t positions);
};

}  // namespace bitnetc
