// Q4_K:  fp16 d | fp16 dmin | 12 bytes of 6-bit factors | 128 bytes     256 elements
//        value = d * factor * q - dmin * minimum, eight sub-blocks of 32
// Q6_K:  ql[128] | qh[64] | int8 factors[16] | fp16 d                   256 elements
//        value = d * factor * (q - 32), sixteen sub-blocks of 16
#include <algorithm>
#include <cmath>

#include "frontend/gguf/tensor_types/decoders.h"
#include "frontend/gguf/tensor_types/encoders.h"

namespace bitnetc::gguf {
namespace {

constexpr int64_t kSuperBlock = 256;

struct FactorAndMinimum {
  int factor, minimum;
};

// Entry j of the eight pairs that Q4_K packs into 12 bytes: six bits each; of the last four the two
// upper bits stand in the upper bits of the first eight bytes.
FactorAndMinimum unpack_pair(const uint8_t* s, int j) {
  if (j < 4) return {s[j] & 63, s[j + 4] & 63};
  return {(s[j + 4] & 15) | ((s[j - 4] >> 6) << 4), (s[j + 4] >> 4) | ((s[j] >> 6) << 4)};
}

}  // namespace

void widen_q4_k(const uint8_t* bytes, int64_t count, float* values) {
  constexpr int64_t kBlockBytes = 144;
  for (int64_t first = 0; first < count; first += kSuperBlock, bytes += kBlockBytes) {
    // In double both products and their difference are exact: fp16 times 6 and 4 bits spans less
    // than 53 bits.
    const double d = load_f16(bytes), dmin = load_f16(bytes + 2);
    for (int j = 0; j < 8; ++j) {
      const auto [factor, minimum] = unpack_pair(bytes + 4, j);
      const uint8_t* codes = bytes + 16 + 32 * (j / 2);
      const int shift = 4 * (j % 2);
      for (int i = 0; i < 32; ++i)
        values[first + 32 * j + i] =
            static_cast<float>(d * (factor * ((codes[i] >> shift) & 15)) - dmin * minimum);
    }
  }
}

void widen_q6_k(const uint8_t* bytes, int64_t count, float* values) {
  constexpr int64_t kBlockBytes = 210;
  for (int64_t first = 0; first < count; first += kSuperBlock, bytes += kBlockBytes) {
    const uint8_t* factors = bytes + 192;
    const float d = load_f16(bytes + 208);
    // 11, 7 and 6 significant bits: the product is exact in fp32.
    const auto value = [&](int64_t element, int code) {
      const auto factor = static_cast<int8_t>(factors[element / 16]);
      values[first + element] = d * static_cast<float>(factor) * static_cast<float>(code - 32);
    };
    for (int64_t half = 0; half < 2; ++half) {
      const uint8_t* low = bytes + 64 * half;
      const uint8_t* high = bytes + 128 + 32 * half;
      for (int64_t i = 0; i < 32; ++i) {
        value(128 * half + i, (low[i] & 15) | ((high[i] & 3) << 4));
        value(128 * half + i + 32, (low[i + 32] & 15) | ((high[i] >> 2 & 3) << 4));
        value(128 * half + i + 64, (low[i] >> 4) | ((high[i] >> 4 & 3) << 4));
        value(128 * half + i + 96, (low[i + 32] >> 4) | ((high[i] >> 6 & 3) << 4));
      }
    }
  }
}

void encode_q6_k(std::span<const float> values, uint8_t* out) {
  constexpr size_t kParts = 16, kPart = 16;
  constexpr int64_t kBlockBytes = 210;
  for (size_t first = 0; first < values.size(); first += kSuperBlock, out += kBlockBytes) {
    std::memset(out, 0, kBlockBytes);
    // The value of largest magnitude, with its sign: mapped to -32, the end of the codes.
    float factors[kParts], largest = 0;
    for (size_t part = 0; part < kParts; ++part) {
      const float* in = values.data() + first + kPart * part;
      const float peak = *std::max_element(
          in, in + kPart, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
      factors[part] = peak / -32;
      if (std::fabs(factors[part]) > std::fabs(largest)) largest = factors[part];
    }
    store_f16(largest / -128, out + 208);
    const float d = load_f16(out + 208);
    if (d == 0) continue;
    for (size_t part = 0; part < kParts; ++part) {
      const auto factor =
          static_cast<int8_t>(std::clamp(std::rint(factors[part] / d), -128.0f, 127.0f));
      out[192 + part] = static_cast<uint8_t>(factor);
      const float unit = d * static_cast<float>(factor);
      for (size_t i = 0; i < kPart; ++i) {
        const size_t e = kPart * part + i;
        const float q = unit != 0 ? std::rint(values[first + e] / unit) : 0;
        const int code = static_cast<int>(std::clamp(q, -32.0f, 31.0f)) + 32;
        const size_t half = e / 128, quarter = e % 128 / 32, l = e % 32;
        uint8_t& low = out[64 * half + 32 * (quarter % 2) + l];
        uint8_t& high = out[128 + 32 * half + l];
        low = static_cast<uint8_t>(low | (code & 15) << (4 * (quarter / 2)));
        high = static_cast<uint8_t>(high | (code >> 4) << (2 * quarter));
      }
    }
  }
}

}  // namespace bitnetc::gguf
