// F32, F16, BF16: arrays.
#include "frontend/gguf/tensor_types/decoders.h"

namespace bitnetc::gguf {

void widen_f32(const uint8_t* bytes, int64_t count, float* values) {
  math::widen(FloatType::kF32, bytes, count, values);
}

void widen_f16(const uint8_t* bytes, int64_t count, float* values) {
  math::widen(FloatType::kF16, bytes, count, values);
}

void widen_bf16(const uint8_t* bytes, int64_t count, float* values) {
  math::widen(FloatType::kBf16, bytes, count, values);
}

}  // namespace bitnetc::gguf
