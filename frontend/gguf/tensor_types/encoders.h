// The packings that are written, the inverse of decoders.h. Trits are exact; the float packings are
// rounded as each says.
#pragma once

#include <cstdint>
#include <span>

namespace bitnetc::gguf {

// A matrix of trits with one scale. `out` has the bytes that the type stores (tensor_type.h). Types
// with an fp16 scale take one that fp16 holds.
void encode_i2_s(std::span<const int8_t> trits, float scale, std::span<uint8_t> out);
void encode_tq1_0(std::span<const int8_t> trits, float scale, std::span<uint8_t> out);
void encode_tq2_0(std::span<const int8_t> trits, float scale, std::span<uint8_t> out);

// `values`: whole blocks, finite, of magnitudes that fp16 scales reach. Each value becomes the
// nearest of those that its block's scale allows.
//   Q8_0: d = fp16(largest magnitude / 127)
//   Q6_K: the factor of 16 values maps the one of largest magnitude to -32; factors are rounded to
//         eight bits below their own largest
void encode_q8_0(std::span<const float> values, uint8_t* out);
void encode_q6_k(std::span<const float> values, uint8_t* out);

}  // namespace bitnetc::gguf
