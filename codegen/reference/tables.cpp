#include <cmath>

#include "codegen/reference/reference.h"
#include "runtime/math.h"

namespace bitnetc::reference {

namespace {

float widened(const void* table, FloatType type, int64_t at) {
  switch (type) {
    case FloatType::kF32: return static_cast<const float*>(table)[at];
    case FloatType::kF16: return math::widen_f16(static_cast<const uint16_t*>(table)[at]);
    case FloatType::kBf16: return math::widen_bf16(static_cast<const uint16_t*>(table)[at]);
  }
  return 0;
}

}  // namespace

void embed(const EmbedSpec& spec, const EmbedArgs& args) {
  for (int64_t i = 0; i < spec.k; ++i)
    args.h[i] = widened(args.table, spec.type, args.token * spec.k + i) * spec.scale;
}

void head(const HeadSpec& spec, const HeadArgs& args) {
  for (int64_t n = args.row_begin; n < args.row_end; ++n) {
    for (int64_t row = 0; row < args.rows; ++row) {
      const float* hidden = args.hidden + row * args.hidden_stride;
      float lanes[math::kLanes] = {};
      for (int64_t k = 0; k < spec.k; ++k) {
        float& lane = lanes[k % math::kLanes];
        lane = std::fma(hidden[k], widened(args.table, spec.type, n * spec.k + k), lane);
      }
      args.logits[row * args.logits_stride + n] = math::fold_lanes(lanes);
    }
  }
}

void screen(const ScreenSpec& spec, const ScreenArgs& args) {
  const int64_t block_bytes = spec.block_bytes();
  const int bits = spec.code_bits(), mask = (1 << bits) - 1;
  for (int64_t n = args.row_begin; n < args.row_end; ++n) {
    for (int64_t row = 0; row < args.rows; ++row) {
      int32_t high = 0, low = 0;
      for (int64_t k = 0; k < spec.k; ++k) {
        const int64_t block = k / kScreenBlock, column = k % kScreenBlock;
        const uint8_t byte =
            args.codes[n * spec.row_bytes() + block * block_bytes + column % block_bytes];
        const int32_t code = byte >> (bits * (column / block_bytes)) & mask;
        high += code * args.high[row * args.q_stride + k];
        low += code * args.low[row * args.q_stride + k];
      }
      high = spec.factor() * high - spec.offset() * args.high_sum[row];
      low = spec.factor() * low - spec.offset() * args.low_sum[row];
      const float sum = std::fma(static_cast<float>(high), 256.0f, static_cast<float>(low));
      const float value = sum * (args.step[n] * args.scale[row]);
      float& estimate = args.estimates[row * args.estimates_stride + n];
      estimate = spec.part == ScreenPart::kCoarse ? value : estimate + value;
    }
  }
}

}  // namespace bitnetc::reference
