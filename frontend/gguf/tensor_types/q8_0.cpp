// Q8_0:  fp16 d | int8 q[32]            value = d * q
// 11 and 8 significant bits: the product is exact in fp32.
#include "frontend/gguf/tensor_types/decoders.h"

namespace bitnetc::gguf {

void widen_q8_0(const uint8_t* bytes, int64_t count, float* values) {
  constexpr int64_t kBlock = 32, kBlockBytes = 34;
  for (int64_t first = 0; first < count; first += kBlock, bytes += kBlockBytes) {
    const float d = load_f16(bytes);
    for (int64_t i = 0; i < kBlock; ++i)
      values[first + i] = d * static_cast<float>(static_cast<int8_t>(bytes[2 + i]));
  }
}

}  // namespace bitnetc::gguf
