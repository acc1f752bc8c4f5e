// Q2_0:  fp16 d | codes, element j in byte j / 4, bits 2(j%4)+1..2(j%4)      value = (code - 1) * d
// Blocks of 64 elements (18 bytes) or of 128 (34 bytes); code 3, which would be +2, is no trit.
#include "frontend/gguf/tensor_types/decoders.h"

namespace bitnetc::gguf {
namespace {

void decode(std::span<const uint8_t> bytes, int64_t elements, int64_t block, int8_t* trits,
            std::vector<float>* factors) {
  const uint8_t* at = bytes.data();
  for (int64_t first = 0; first < elements; first += block) {
    factors->push_back(load_f16(at));
    at += sizeof(uint16_t);
    for (int64_t j = 0; j < block; ++j)
      trits[first + j] = static_cast<int8_t>(((at[j / 4] >> (2 * (j % 4))) & 3) - 1);
    at += block / 4;
  }
}

}  // namespace

void decode_q2_0_g64(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                     std::vector<float>* factors) {
  decode(bytes, n * k, 64, trits, factors);
}

void decode_q2_0_g128(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                      std::vector<float>* factors) {
  decode(bytes, n * k, 128, trits, factors);
}

}  // namespace bitnetc::gguf
