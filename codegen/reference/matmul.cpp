#include <vector>

#include "codegen/reference/reference.h"

namespace bitnetc::reference {
namespace {

// Row n of a packed i2_s matrix: docs/layouts/i2_s.md.
void unpack_i2s_row(const MatmulSpec& spec, const uint8_t* w, int64_t n, std::vector<int>& row) {
  const uint8_t* tile = w + n / kTileRows * spec.weight_layout().tile_bytes();
  for (int64_t k = 0; k < spec.k; ++k) {
    const uint8_t* cell = tile + k / 16 * 64;
    const int64_t field = k % 16 / 4, byte = k % 4;
    row[static_cast<size_t>(k)] = (cell[n % kTileRows * 4 + byte] >> (2 * field) & 3) - 1;
  }
}

void unpack_row(const MatmulSpec& spec, const uint8_t* w, int64_t n, std::vector<int>& row) {
  switch (spec.layout) {
    case LayoutId::kI2S: return unpack_i2s_row(spec, w, n, row);
  }
}

// Scaled products of packed row n with all m rows of x: values[m].
void scaled_row(const MatmulSpec& spec, const MatmulArgs& args, int64_t n, std::vector<int>& row,
                float* values) {
  unpack_row(spec, args.w, n, row);
  for (int m = 0; m < spec.m; ++m) {
    const int8_t* x = args.x + m * args.x_stride;
    int32_t sum = 0;
    for (int64_t k = 0; k < spec.k; ++k) sum += x[k] * row[static_cast<size_t>(k)];
    values[m] = static_cast<float>(sum) * (args.x_step[m] * args.tile_scale[n / kTileRows]);
  }
}

float relu2_mul(float gate, float up) {
  const float positive = gate > 0 ? gate : 0.0f;  // -0 and NaN give +0, as vmaxps(gate, 0) does
  return positive * positive * up;
}

}  // namespace

void matmul(const MatmulSpec& spec, const MatmulArgs& args) {
  std::vector<int> row(static_cast<size_t>(spec.k));
  float values[kMaxSmallM], up[kMaxSmallM];
  const bool pairs = spec.epilogue == Epilogue::kRelu2Mul;
  for (int64_t tile = args.tile_begin; tile < args.tile_end; tile += pairs ? 2 : 1) {
    for (int64_t r = 0; r < kTileRows; ++r) {
      const int64_t n = tile * kTileRows + r;
      scaled_row(spec, args, n, row, values);
      if (pairs) scaled_row(spec, args, n + kTileRows, row, up);
      const int64_t column = pairs ? tile / 2 * kTileRows + r : n;
      for (int m = 0; m < spec.m; ++m) {
        const int64_t at = m * args.y_stride + column;
        switch (spec.epilogue) {
          case Epilogue::kScale: args.y[at] = values[m]; break;
          case Epilogue::kResidual: args.y[at] = args.residual[at] + values[m]; break;
          case Epilogue::kRelu2Mul: args.y[at] = relu2_mul(values[m], up[m]); break;
        }
      }
    }
  }
}

}  // namespace bitnetc::reference
