// TQ2_0:   qs[64] | fp16 d                  256 elements; two bits each
//          element 128 g + 32 l + m is in byte 32 g + m, bits 2l+1..2l; value (code - 1) * d
// TQ1_0:   qs[48] | qh[4] | fp16 d          256 elements; five base-3 digits to a byte
// PTQ1_0:  qs[24] | qh[2] | fp16 d          128 elements; likewise
// A byte of base 3 is ceil(256 u / 243) for the number u of five digits, the first the most
// significant; digit i of byte b is (3 * (b * 3^i mod 256)) >> 8. Bytes of qh hold four digits.
#include "frontend/gguf/tensor_types/decoders.h"
#include "frontend/gguf/tensor_types/encoders.h"

namespace bitnetc::gguf {
namespace {

// Elements first + m + stride * i for digit i of byte m.
void decode_digits(const uint8_t* bytes, int64_t byte_count, int digits, int8_t* out) {
  for (int64_t m = 0; m < byte_count; ++m) {
    uint8_t rest = bytes[m];
    for (int i = 0; i < digits; ++i) {
      out[m + byte_count * i] = static_cast<int8_t>(((3 * rest) >> 8) - 1);
      rest = static_cast<uint8_t>(rest * 3);
    }
  }
}

// The inverse. Digits that a byte has room for beyond `digits` are zeros.
void encode_digits(const int8_t* trits, int64_t byte_count, int digits, uint8_t* out) {
  for (int64_t m = 0; m < byte_count; ++m) {
    int u = 0;
    for (int i = 0; i < 5; ++i) u = 3 * u + (i < digits ? trits[m + byte_count * i] + 1 : 0);
    out[m] = static_cast<uint8_t>((256 * u + 242) / 243);
  }
}

}  // namespace

void decode_tq2_0(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                  std::vector<float>* factors) {
  constexpr int64_t kBlock = 256, kBlockBytes = 66;
  const uint8_t* block = bytes.data();
  for (int64_t first = 0; first < n * k; first += kBlock, block += kBlockBytes) {
    for (int64_t g = 0; g < 2; ++g)
      for (int64_t l = 0; l < 4; ++l)
        for (int64_t m = 0; m < 32; ++m)
          trits[first + 128 * g + 32 * l + m] =
              static_cast<int8_t>(((block[32 * g + m] >> (2 * l)) & 3) - 1);
    factors->push_back(load_f16(block + 64));
  }
}

void decode_tq1_0(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                  std::vector<float>* factors) {
  constexpr int64_t kBlock = 256, kBlockBytes = 54;
  const uint8_t* block = bytes.data();
  for (int64_t first = 0; first < n * k; first += kBlock, block += kBlockBytes) {
    decode_digits(block, 32, 5, trits + first);
    decode_digits(block + 32, 16, 5, trits + first + 160);
    decode_digits(block + 48, 4, 4, trits + first + 240);
    factors->push_back(load_f16(block + 52));
  }
}

void decode_ptq1_0(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                   std::vector<float>* factors) {
  constexpr int64_t kBlock = 128, kBlockBytes = 28;
  const uint8_t* block = bytes.data();
  for (int64_t first = 0; first < n * k; first += kBlock, block += kBlockBytes) {
    decode_digits(block, 16, 5, trits + first);
    decode_digits(block + 16, 8, 5, trits + first + 80);
    decode_digits(block + 24, 2, 4, trits + first + 120);
    factors->push_back(load_f16(block + 26));
  }
}

void encode_tq2_0(std::span<const int8_t> trits, float scale, std::span<uint8_t> out) {
  constexpr size_t kBlock = 256, kBlockBytes = 66;
  uint8_t* block = out.data();
  for (size_t first = 0; first < trits.size(); first += kBlock, block += kBlockBytes) {
    for (size_t g = 0; g < 2; ++g)
      for (size_t m = 0; m < 32; ++m) {
        const int8_t* in = trits.data() + first + 128 * g + m;
        block[32 * g + m] = static_cast<uint8_t>((in[0] + 1) | (in[32] + 1) << 2 |
                                                 (in[64] + 1) << 4 | (in[96] + 1) << 6);
      }
    store_f16(scale, block + 64);
  }
}

void encode_tq1_0(std::span<const int8_t> trits, float scale, std::span<uint8_t> out) {
  constexpr size_t kBlock = 256, kBlockBytes = 54;
  uint8_t* block = out.data();
  for (size_t first = 0; first < trits.size(); first += kBlock, block += kBlockBytes) {
    encode_digits(trits.data() + first, 32, 5, block);
    encode_digits(trits.data() + first + 160, 16, 5, block + 32);
    encode_digits(trits.data() + first + 240, 4, 4, block + 48);
    store_f16(scale, block + 52);
  }
}

}  // namespace bitnetc::gguf
