// I2_S:  blocks of 128 elements in 32 bytes, running over the ends of rows | f32 scale | 28 bytes
// Byte j of a block holds elements j, j + 32, j + 64, j + 96 in bits 7:6, 5:4, 3:2, 1:0; code 0 is
// -1, 1 is 0, 2 is +1. What follows the scale is undefined.
#include "frontend/gguf/tensor_types/decoders.h"
#include "frontend/gguf/tensor_types/encoders.h"

namespace bitnetc::gguf {

void decode_i2_s(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                 std::vector<float>* factors) {
  constexpr int64_t kBlock = 128, kBlockBytes = 32;
  const uint8_t* block = bytes.data();
  for (int64_t first = 0; first < n * k; first += kBlock, block += kBlockBytes)
    for (int64_t j = 0; j < kBlockBytes; ++j) {
      int8_t* out = trits + first + j;
      out[0] = static_cast<int8_t>((block[j] >> 6) - 1);
      out[32] = static_cast<int8_t>(((block[j] >> 4) & 3) - 1);
      out[64] = static_cast<int8_t>(((block[j] >> 2) & 3) - 1);
      out[96] = static_cast<int8_t>((block[j] & 3) - 1);
    }
  factors->push_back(load_f32(block));
}

void encode_i2_s(std::span<const int8_t> trits, float scale, std::span<uint8_t> out) {
  constexpr size_t kBlock = 128, kBlockBytes = 32;
  uint8_t* block = out.data();
  for (size_t first = 0; first < trits.size(); first += kBlock, block += kBlockBytes)
    for (size_t j = 0; j < kBlockBytes; ++j) {
      const int8_t* in = trits.data() + first + j;
      block[j] = static_cast<uint8_t>((in[0] + 1) << 6 | (in[32] + 1) << 4 | (in[64] + 1) << 2 |
                                      (in[96] + 1));
    }
  std::memset(block, 0, kBlockBytes);
  std::memcpy(block, &scale, sizeof scale);
}

}  // namespace bitnetc::gguf
