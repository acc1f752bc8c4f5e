// IQ2_BN:  each row: f32 scale | blocks of 64 elements in 16 bytes; byte j holds elements j,
//          j + 16, j + 32, j + 48 in bits 1:0, 3:2, 5:4, 7:6; code - 1
// IQ1_BN:  each row: fp16 scale | blocks of 64 elements in 13 bytes: twelve bytes of five base-3
//          digits, three for each 16 elements, and one of four digits for the sixteenth of each
// A byte is ceil(256 u / 243), the first digit the least significant; digit i is
// ((t + (t >> 1)) >> 7) for t = byte * 3^(4 - i) mod 256.
#include "frontend/gguf/tensor_types/decoders.h"

namespace bitnetc::gguf {
namespace {

constexpr int64_t kBlockTrits = 64;

int8_t digit(uint8_t byte, int index) {
  constexpr int kPowers[5] = {81, 27, 9, 3, 1};
  const int t = (byte * kPowers[index]) & 255;
  return static_cast<int8_t>(((t + (t >> 1)) >> 7) - 1);
}

}  // namespace

void decode_iq2_bn(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                   std::vector<float>* factors) {
  const uint8_t* at = bytes.data();
  for (int64_t row = 0; row < n; ++row) {
    factors->push_back(load_f32(at));
    at += sizeof(float);
    for (int64_t first = 0; first < k; first += kBlockTrits, at += 16)
      for (int64_t j = 0; j < 16; ++j)
        for (int part = 0; part < 4; ++part)
          trits[row * k + first + 16 * part + j] =
              static_cast<int8_t>(((at[j] >> (2 * part)) & 3) - 1);
  }
}

void decode_iq1_bn(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                   std::vector<float>* factors) {
  const uint8_t* at = bytes.data();
  for (int64_t row = 0; row < n; ++row) {
    factors->push_back(load_f16(at));
    at += sizeof(uint16_t);
    for (int64_t first = 0; first < k; first += kBlockTrits, at += 13)
      for (int group = 0; group < 4; ++group) {
        int8_t* out = trits + row * k + first + 16 * group;
        for (int byte = 0; byte < 3; ++byte)
          for (int i = 0; i < 5; ++i) out[5 * byte + i] = digit(at[3 * group + byte], i);
        out[15] = digit(at[12], group);
      }
  }
}

}  // namespace bitnetc::gguf
