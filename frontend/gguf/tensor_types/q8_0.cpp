// Q8_0:  fp16 d | int8 q[32]            value = d * q
// 11 and 8 significant bits: the product is exact in fp32.
#include <algorithm>
#include <cmath>

#include "frontend/gguf/tensor_types/decoders.h"
#include "frontend/gguf/tensor_types/encoders.h"

namespace bitnetc::gguf {

void widen_q8_0(const uint8_t* bytes, int64_t count, float* values) {
  constexpr int64_t kBlock = 32, kBlockBytes = 34;
  for (int64_t first = 0; first < count; first += kBlock, bytes += kBlockBytes) {
    const float d = load_f16(bytes);
    for (int64_t i = 0; i < kBlock; ++i)
      values[first + i] = d * static_cast<float>(static_cast<int8_t>(bytes[2 + i]));
  }
}

void encode_q8_0(std::span<const float> values, uint8_t* out) {
  constexpr size_t kBlock = 32, kBlockBytes = 34;
  for (size_t first = 0; first < values.size(); first += kBlock, out += kBlockBytes) {
    float largest = 0;
    for (size_t i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(values[first + i]));
    store_f16(largest / 127, out);
    const float d = load_f16(out);  // as it will be read
    for (size_t i = 0; i < kBlock; ++i) {
      const float q = d > 0 ? std::rint(values[first + i] / d) : 0;
      out[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::clamp(q, -127.0f, 127.0f)));
    }
  }
}

}  // namespace bitnetc::gguf
