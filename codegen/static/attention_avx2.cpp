// attention_avx2     out = softmax(q K^T * scale) V, one query head and row after another
//
// Shapes     q, out f32[d], d >= 8    K fp16 [block][d][16]    V fp16 [position][d]
//            K and V in pages of 64 positions; a window begins anywhere in one
// Scores     SIMD lanes are keys: a page of 4 blocks = 64 keys = 8 accumulators per loop over d,
//            then single blocks. A block is read whole: a page is whole blocks. Scores of absent
//            keys are unused.
// Values     SIMD lanes are d: up to 8 vectors of out per loop over all positions. When d is no
//            multiple of 8 the last vector overlaps the one before it and computes the same bits
//            again.
// Reference  codegen/reference/attention.cpp

#include "codegen/static/exp_each.h"
#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"
#include "codegen/static/vectors_ymm.h"
#include "runtime/kv_cache.h"
#include "runtime/rounding.h"

namespace bitnetc {

namespace {

constexpr int64_t kChunkPositions = 256;
constexpr int64_t kKeys = KvLayout::kKeyBlock;

// [begin, end)
struct Positions {
  int64_t begin, end;
};

// scores[0 .. 16 * kBlocks) of the key blocks from `keys` on.
template <int kBlocks>
void score_blocks(const AttentionSpec& spec, const float* q, const uint16_t* keys, float* scores) {
  __m256 dot[2 * kBlocks];
  for (__m256& lanes : dot) lanes = _mm256_setzero_ps();
  const int64_t block_elements = spec.head_dim * kKeys;
  for (int64_t d = 0; d < spec.head_dim; ++d) {
    const __m256 q_d = _mm256_broadcast_ss(q + d);
    for (int b = 0; b < kBlocks; ++b) {
      const int64_t at = b * block_elements + d * kKeys;
      dot[2 * b] = _mm256_fmadd_ps(q_d, load_widened<FloatType::kF16>(keys, at), dot[2 * b]);
      dot[2 * b + 1] =
          _mm256_fmadd_ps(q_d, load_widened<FloatType::kF16>(keys, at + kVector), dot[2 * b + 1]);
    }
  }
  const __m256 scale = _mm256_set1_ps(spec.scale);
  for (int j = 0; j < 2 * kBlocks; ++j)
    _mm256_storeu_ps(scores + j * kVector, _mm256_mul_ps(dot[j], scale));
}

// Scores of the whole pages from that of position `seen` on, the first that is seen.
void score_keys(const AttentionSpec& spec, const AttentionArgs& args, const float* q, int64_t seen,
                int64_t position) {
  constexpr int64_t kPageBlocks = KvLayout::kPagePositions / kKeys;
  const int64_t blocks = position / kKeys + 1;
  const int64_t block_elements = spec.head_dim * kKeys;
  for (int64_t first = seen / KvLayout::kPagePositions * kPageBlocks; first < blocks;
       first += kPageBlocks) {
    const uint16_t* page = args.pages[first / kPageBlocks] + args.k_offset;
    float* scores = args.scores + first * kKeys;
    if (first + kPageBlocks <= blocks) {
      score_blocks<kPageBlocks>(spec, q, page, scores);
      continue;
    }
    for (int64_t block = 0; first + block < blocks; ++block)
      score_blocks<1>(spec, q, page + block * block_elements, scores + block * kKeys);
  }
}

float max_score(const float* scores, int64_t count) {
  float max = scores[0];
  int64_t p = 0;
  if (count >= kVector) {
    __m256 lanes = _mm256_loadu_ps(scores);
    for (p = kVector; p + kVector <= count; p += kVector)
      lanes = _mm256_max_ps(lanes, _mm256_loadu_ps(scores + p));
    float each[kVector];
    _mm256_storeu_ps(each, lanes);
    for (const float lane : each) max = lane > max ? lane : max;
  }
  for (; p < count; ++p) max = scores[p] > max ? scores[p] : max;
  return max;
}

// math::softmax_weight in every lane.
__m256 weigh_score(__m256 below_max) {
  const __m256 least = _mm256_set1_ps(-64.0f);
  const __m256 counts = _mm256_cmp_ps(below_max, least, _CMP_NLT_UQ);
  return _mm256_and_ps(counts, exp_each<Ymm>(_mm256_max_ps(least, below_max)));
}

// scores -> weights. Runs to the end of the last vector; scratch is padded to whole chunks.
void weigh_scores(float* scores, int64_t count, float max) {
  const __m256 max_each = _mm256_set1_ps(max);
  for (int64_t p = 0; p < count; p += kVector)
    _mm256_storeu_ps(scores + p, weigh_score(_mm256_sub_ps(_mm256_loadu_ps(scores + p), max_each)));
}

// kVectors vectors of out, at columns `column`, `column` + 8, ... and the last one at
// `last_column`, over the positions `seen`. Chunks begin at multiples of their size.
template <int kVectors>
void weigh_values(int64_t head_dim, const AttentionArgs& args, float* out, Positions seen,
                  int64_t column, int64_t last_column) {
  const float* e = args.scores;
  __m256 total[kVectors];
  for (__m256& vector : total) vector = _mm256_setzero_ps();
  __m128 total_sum = _mm_setzero_ps();
  for (int64_t begin = seen.begin; begin < seen.end;) {
    const int64_t chunk_end = (begin / kChunkPositions + 1) * kChunkPositions;
    const int64_t end = chunk_end < seen.end ? chunk_end : seen.end;
    __m256 chunk[kVectors];
    for (__m256& vector : chunk) vector = _mm256_setzero_ps();
    __m128 chunk_sum = _mm_setzero_ps();
    while (begin < end) {
      const int64_t in_page = begin % KvLayout::kPagePositions;
      const uint16_t* v =
          args.pages[begin / KvLayout::kPagePositions] + args.v_offset + in_page * head_dim;
      const int64_t page_end = begin - in_page + KvLayout::kPagePositions;
      const int64_t last = page_end < end ? page_end : end;
      for (; begin < last; ++begin, v += head_dim) {
        const __m256 e_p = _mm256_broadcast_ss(e + begin);
        chunk_sum = _mm_add_ss(chunk_sum, _mm256_castps256_ps128(e_p));
        for (int j = 0; j < kVectors - 1; ++j)
          chunk[j] = _mm256_fmadd_ps(e_p, load_widened<FloatType::kF16>(v, column + j * kVector),
                                     chunk[j]);
        chunk[kVectors - 1] = _mm256_fmadd_ps(e_p, load_widened<FloatType::kF16>(v, last_column),
                                              chunk[kVectors - 1]);
      }
    }
    for (int j = 0; j < kVectors; ++j) total[j] = _mm256_add_ps(total[j], chunk[j]);
    total_sum = _mm_add_ss(total_sum, chunk_sum);
  }
  const __m256 divisor = _mm256_broadcastss_ps(total_sum);
  for (int j = 0; j < kVectors - 1; ++j)
    _mm256_storeu_ps(out + column + j * kVector, _mm256_div_ps(total[j], divisor));
  _mm256_storeu_ps(out + last_column, _mm256_div_ps(total[kVectors - 1], divisor));
}

using WeighValues = void (*)(int64_t, const AttentionArgs&, float*, Positions, int64_t, int64_t);
constexpr int64_t kMostVectors = 8;
constexpr WeighValues kWeighValues[kMostVectors] = {
    weigh_values<1>, weigh_values<2>, weigh_values<3>, weigh_values<4>,
    weigh_values<5>, weigh_values<6>, weigh_values<7>, weigh_values<8>};

void attend(const AttentionSpec& spec, const AttentionArgs& args, const float* q, float* out,
            int64_t position) {
  const int64_t keys = position + 1;
  const Positions seen{.begin = spec.window > 0 && spec.window < keys ? keys - spec.window : 0,
                       .end = keys};
  score_keys(spec, args, q, seen.begin, position);
  const float max = max_score(args.scores + seen.begin, seen.end - seen.begin);
  // Whole vectors: weights in front of the first position are not read.
  const int64_t first_vector = seen.begin / kVector * kVector;
  weigh_scores(args.scores + first_vector, seen.end - first_vector, max);

  const int64_t d = spec.head_dim;
  for (int64_t column = 0; column < d; column += kMostVectors * kVector) {
    const int64_t left = ceil_div(d - column, kVector);
    const int64_t vectors = left < kMostVectors ? left : kMostVectors;
    const int64_t last = column + (vectors - 1) * kVector;
    kWeighValues[vectors - 1](d, args, out, seen, column, last + kVector <= d ? last : d - kVector);
  }
}

}  // namespace

void attention_avx2(const AttentionSpec& spec, const AttentionArgs& args) {
  for (int64_t row = 0; row < args.rows; ++row)
    for (int64_t head = 0; head < args.heads; ++head)
      attend(spec, args, args.q + row * args.q_stride + head * spec.head_dim,
             args.out + row * args.out_stride + head * spec.head_dim, args.position + row);
}

}  // namespace bitnetc
