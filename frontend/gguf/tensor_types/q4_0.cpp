// Q4_0:  fp16 d | 16 bytes              value = d * (q - 8)
// Byte j holds element j in its low half and element j + 16 in its high half.
#include "frontend/gguf/tensor_types/decoders.h"

namespace bitnetc::gguf {

void widen_q4_0(const uint8_t* bytes, int64_t count, float* values) {
  constexpr int64_t kBlock = 32, kHalf = kBlock / 2, kBlockBytes = 18;
  for (int64_t first = 0; first < count; first += kBlock, bytes += kBlockBytes) {
    const float d = load_f16(bytes);
    for (int64_t i = 0; i < kHalf; ++i) {
      values[first + i] = d * static_cast<float>((bytes[2 + i] & 15) - 8);
      values[first + kHalf + i] = d * static_cast<float>((bytes[2 + i] >> 4) - 8);
    }
  }
}

}  // namespace bitnetc::gguf
