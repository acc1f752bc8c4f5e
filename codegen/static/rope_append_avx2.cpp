// rope_append_avx2     rotates the q and k heads of one fused qkv row in place, appends k and v as
// fp16
//
// Shapes     qkv f32[q heads * d | kv heads * d | kv heads * d], parts at whole tiles    cos, sin
// f32[d/2]
//            K fp16 [block][d][16]: one position is a column, written element by element
// Reference  codegen/reference/attention.cpp

#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"
#include "runtime/kv_cache.h"

namespace bitnetc {

namespace {

constexpr int kNearestEven = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

void rotate(float* head, int64_t head_dim, const float* cos, const float* sin) {
  const int64_t half = head_dim / 2;
  for (int64_t i = 0; i < half; i += kVector) {
    const __m256i present = first_lanes(half - i);
    const __m256 first = _mm256_maskload_ps(head + i, present);
    const __m256 second = _mm256_maskload_ps(head + half + i, present);
    const __m256 c = _mm256_maskload_ps(cos + i, present);
    const __m256 s = _mm256_maskload_ps(sin + i, present);
    const __m256 new_first = _mm256_fmsub_ps(first, c, _mm256_mul_ps(second, s));
    const __m256 new_second = _mm256_fmadd_ps(second, c, _mm256_mul_ps(first, s));
    _mm256_maskstore_ps(head + i, present, new_first);
    _mm256_maskstore_ps(head + half + i, present, new_second);
  }
}

// Up to 8 elements from x on, as fp16.
void round_vector(const float* x, int64_t count, uint16_t out[kVector]) {
  const __m256 values = _mm256_maskload_ps(x, first_lanes(count));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_cvtps_ph(values, kNearestEven));
}

int64_t vector_count(int64_t left) {
  return left < kVector ? left : kVector;
}

void append_key(const float* k, int64_t head_dim, int64_t position, uint16_t* cache) {
  const KvLayout layout{.head_dim = head_dim};
  uint16_t* column = cache + layout.k_index(position, 0);
  for (int64_t d = 0; d < head_dim; d += kVector) {
    uint16_t rounded[kVector];
    const int64_t count = vector_count(head_dim - d);
    round_vector(k + d, count, rounded);
    for (int64_t i = 0; i < count; ++i) column[(d + i) * KvLayout::kKeyBlock] = rounded[i];
  }
}

void append_value(const float* v, int64_t head_dim, int64_t position, uint16_t* cache) {
  uint16_t* row = cache + position * head_dim;
  for (int64_t d = 0; d < head_dim; d += kVector) {
    uint16_t rounded[kVector];
    const int64_t count = vector_count(head_dim - d);
    round_vector(v + d, count, rounded);
    std::memcpy(row + d, rounded, static_cast<size_t>(count) * sizeof(uint16_t));
  }
}

}  // namespace

void rope_append_avx2(const RopeAppendSpec& spec, const RopeAppendArgs& args) {
  const int64_t d = spec.head_dim;
  for (int64_t h = 0; h < spec.q_heads; ++h) rotate(args.qkv + h * d, d, args.cos, args.sin);
  float* k = args.qkv + spec.k_offset();
  const float* v = args.qkv + spec.v_offset();
  for (int64_t h = 0; h < spec.kv_heads; ++h) {
    rotate(k + h * d, d, args.cos, args.sin);
    append_key(k + h * d, d, args.position, args.k_cache + h * args.head_stride);
    append_value(v + h * d, d, args.position, args.v_cache + h * args.head_stride);
  }
}

}  // namespace bitnetc
