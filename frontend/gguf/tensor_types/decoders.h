// What the packings decode to, one small file per packing or group of packings. All of them take
// bytes of exactly the size that tensor_type.h says, which may be unaligned, and read nothing else.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "runtime/math.h"

namespace bitnetc::gguf {

// Elements [0, count) of a run of float blocks, count a multiple of the block, each as near to the
// stored value as fp32 comes: exact for all but kQ4K, whose difference of two products is rounded
// once.
void widen_f32(const uint8_t* bytes, int64_t count, float* values);
void widen_f16(const uint8_t* bytes, int64_t count, float* values);
void widen_bf16(const uint8_t* bytes, int64_t count, float* values);
void widen_q8_0(const uint8_t* bytes, int64_t count, float* values);
void widen_q4_0(const uint8_t* bytes, int64_t count, float* values);
void widen_q4_k(const uint8_t* bytes, int64_t count, float* values);
void widen_q6_k(const uint8_t* bytes, int64_t count, float* values);

// A matrix [n][k]: `trits` gets code - 1 for every element, so 2 where the code is no trit;
// `factors` gets what is to be multiplied with, in the order in which the file has them.
void decode_i2_s(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                 std::vector<float>* factors);
void decode_tq1_0(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                  std::vector<float>* factors);
void decode_tq2_0(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                  std::vector<float>* factors);
void decode_ptq1_0(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                   std::vector<float>* factors);
void decode_iq1_bn(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                   std::vector<float>* factors);
void decode_iq2_bn(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                   std::vector<float>* factors);
void decode_q2_0_g64(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                     std::vector<float>* factors);
void decode_q2_0_g128(std::span<const uint8_t> bytes, int64_t n, int64_t k, int8_t* trits,
                      std::vector<float>* factors);

// Numbers where they lie, unaligned.
inline float load_f16(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return math::widen_f16(bits);
}
inline void store_f16(float value, uint8_t* bytes) {
  const uint16_t bits = math::round_to_f16(value);
  std::memcpy(bytes, &bits, sizeof bits);
}
inline float load_f32(const uint8_t* bytes) {
  float value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace bitnetc::gguf
