// rope_append_avx2     rotates q and k heads of one fused qkv row in place, appends their k and v
// as fp16, fp32, or int8 with a scale
//
// Shapes     qkv f32[q heads * d | kv heads * d | kv heads * d], parts at whole tiles    cos, sin
// f32[d/2]
//            K [block][d][16]: one position is a column, written element by element
// Exactness  Codes as those of quantize_avx2.cpp: the clamp comes before rint.
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

// The measure of a row that is quantised; the second operand of vmaxps is what stays next to a NaN.
float head_absmax(const float* x, int64_t head_dim) {
  constexpr float kLeast = 1e-5f;
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 most = _mm256_set1_ps(kLeast);
  for (int64_t d = 0; d < head_dim; d += kVector) {
    const __m256 values = _mm256_maskload_ps(x + d, first_lanes(head_dim - d));
    most = _mm256_max_ps(_mm256_and_ps(values, magnitude), most);
  }
  float lanes[kVector];
  _mm256_storeu_ps(lanes, most);
  float absmax = lanes[0];
  for (const float lane : lanes) absmax = lane > absmax ? lane : absmax;
  return absmax;
}

// Makes the cells of 8 elements. `factor`: of i8, 127 / absmax.
template <KvType kType>
struct Cells;

template <>
struct Cells<KvType::kF16> {
  using Cell = uint16_t;
  static void make(__m256 values, __m256 /*factor*/, Cell out[kVector]) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_cvtps_ph(values, kNearestEven));
  }
};

template <>
struct Cells<KvType::kF32> {
  using Cell = float;
  static void make(__m256 values, __m256 /*factor*/, Cell out[kVector]) {
    _mm256_storeu_ps(out, values);
  }
};

template <>
struct Cells<KvType::kI8> {
  using Cell = int8_t;
  static void make(__m256 values, __m256 factor, Cell out[kVector]) {
    const __m256 scaled = _mm256_mul_ps(values, factor);
    const __m256 floored = _mm256_max_ps(scaled, _mm256_set1_ps(-128.0f));  // the limit for a NaN
    const __m256i codes = _mm256_cvtps_epi32(_mm256_min_ps(floored, _mm256_set1_ps(127.0f)));
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_packs_epi16(words, words));
  }
};

// Stores the key or value x[d] of one kv head: `first` is the index of its first cell, `stride` how
// many cells the next one is apart.
template <KvType kType>
void append(const KvLayout& layout, const float* x, int64_t position, int64_t first, int64_t stride,
            uint16_t* cache) {
  using Cell = typename Cells<kType>::Cell;
  __m256 factor = _mm256_setzero_ps();
  if constexpr (kType == KvType::kI8) {
    const float absmax = head_absmax(x, layout.head_dim);
    factor = _mm256_set1_ps(127.0f / absmax);
    reinterpret_cast<float*>(cache + layout.scales_offset())[position] = absmax / 127.0f;
  }
  auto* to = reinterpret_cast<Cell*>(cache) + first;
  for (int64_t d = 0; d < layout.head_dim; d += kVector) {
    const int64_t left = layout.head_dim - d;
    const int64_t count = left < kVector ? left : kVector;
    Cell cells[kVector];
    Cells<kType>::make(_mm256_maskload_ps(x + d, first_lanes(count)), factor, cells);
    if (stride == 1) {
      std::memcpy(to + d, cells, static_cast<size_t>(count) * sizeof(Cell));
    } else {
      for (int64_t i = 0; i < count; ++i) to[(d + i) * stride] = cells[i];
    }
  }
}

using Append = void (*)(const KvLayout&, const float*, int64_t, int64_t, int64_t, uint16_t*);

Append append_of(KvType type) {
  switch (type) {
    case KvType::kF16: return append<KvType::kF16>;
    case KvType::kF32: return append<KvType::kF32>;
    case KvType::kI8: return append<KvType::kI8>;
  }
  return append<KvType::kF16>;
}

}  // namespace

void rope_append_avx2(const RopeAppendSpec& spec, const RopeAppendArgs& args) {
  const int64_t d = spec.head_dim;
  for (int64_t h = args.q_begin; h < args.q_end; ++h)
    rotate(args.qkv + h * d, d, args.cos, args.sin);
  float* k = args.qkv + spec.k_offset();
  const float* v = args.qkv + spec.v_offset();
  const KvLayout layout{.kv_heads = spec.kv_heads, .head_dim = d, .type = spec.kv_type};
  const Append append = append_of(spec.kv_type);
  const int64_t p = args.position;
  for (int64_t h = args.kv_begin; h < args.kv_end; ++h) {
    rotate(k + h * d, d, args.cos, args.sin);
    append(layout, k + h * d, p, layout.k_index(p, 0), KvLayout::kKeyBlock,
           args.k_cache + h * args.head_stride);
    append(layout, v + h * d, p, layout.v_index(p, 0), 1, args.v_cache + h * args.head_stride);
  }
}

}  // namespace bitnetc
