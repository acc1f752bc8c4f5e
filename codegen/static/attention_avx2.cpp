// attention_avx2     out = softmax(q K^T * scale) V, one query head and row after another
//
// Shapes     q, out f32[d], d >= 8    K [block][d][16]    V [position][d], fp16, fp32 or int8
//            K and V in pages of 64 positions; a window begins anywhere in one
// Scores     SIMD lanes are keys: a page of 4 blocks = 64 keys = 8 accumulators per loop over d,
//            then single blocks. A block is read whole: a page is whole blocks. Scores of absent
//            keys are unused.
// Values     SIMD lanes are d: up to 8 vectors of a chunk's sums per loop over its positions. When
//            d is no multiple of 8 the last vector overlaps the one before it and computes the same
//            bits again.
// Reference  codegen/reference/attention.cpp

#include "codegen/static/exp_each.h"
#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"
#include "codegen/static/vectors_ymm.h"
#include "runtime/attention_scratch.h"
#include "runtime/kv_cache.h"
#include "runtime/rounding.h"

namespace bitnetc {

namespace {

constexpr int64_t kKeys = KvLayout::kKeyBlock;
constexpr int64_t kPage = KvLayout::kPagePositions;

// Cells [at, at + 8) as f32; of i8 without their scale.
template <KvType kType>
__m256 load_cells(const void* cells, int64_t at) {
  if constexpr (kType == KvType::kI8) {
    const auto* codes = reinterpret_cast<const __m128i*>(static_cast<const int8_t*>(cells) + at);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(codes)));
  } else {
    return load_widened < kType == KvType::kF16 ? FloatType::kF16 : FloatType::kF32 > (cells, at);
  }
}

// One query head of one row.
struct Query {
  const AttentionSpec& spec;
  const AttentionArgs& args;
  KvLayout layout;
  AttentionScratch scratch;
  int64_t row, head;
  SeenPositions seen;

  float* record(int64_t chunk) const { return args.scores + scratch.record(chunk, row); }
  float* scores(int64_t chunk) const { return record(chunk) + scratch.scores(head); }
  // Of the keys or values that begin at `offset` of a page; of i8 alone.
  const float* scales(int64_t page, int64_t offset) const {
    return reinterpret_cast<const float*>(args.pages[page] + offset + layout.scales_offset());
  }
};

// scores[0 .. 16 * kBlocks) of the key blocks from cell `first` of `keys` on. `scales`: of the
// blocks' keys, of i8 alone.
template <KvType kType, int kBlocks>
void score_blocks(const AttentionSpec& spec, const float* q, const void* keys, int64_t first,
                  const float* scales, float* scores) {
  __m256 dot[2 * kBlocks];
  for (__m256& lanes : dot) lanes = _mm256_setzero_ps();
  const int64_t block_elements = spec.head_dim * kKeys;
  for (int64_t d = 0; d < spec.head_dim; ++d) {
    const __m256 q_d = _mm256_broadcast_ss(q + d);
    for (int b = 0; b < kBlocks; ++b) {
      const int64_t at = first + b * block_elements + d * kKeys;
      dot[2 * b] = _mm256_fmadd_ps(q_d, load_cells<kType>(keys, at), dot[2 * b]);
      dot[2 * b + 1] = _mm256_fmadd_ps(q_d, load_cells<kType>(keys, at + kVector), dot[2 * b + 1]);
    }
  }
  const __m256 scale = _mm256_set1_ps(spec.scale);
  for (int j = 0; j < 2 * kBlocks; ++j) {
    if constexpr (kType == KvType::kI8)
      dot[j] = _mm256_mul_ps(dot[j], _mm256_loadu_ps(scales + j * kVector));
    _mm256_storeu_ps(scores + j * kVector, _mm256_mul_ps(dot[j], scale));
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

// Scores of the chunk, whole blocks from the first that is seen on, and their largest.
template <KvType kType>
void find_scores(const Query& query, int64_t chunk) {
  constexpr int64_t kPageBlocks = kPage / kKeys;
  const AttentionArgs& args = query.args;
  const float* q = args.q + query.row * args.q_stride + query.head * query.spec.head_dim;
  const SeenPositions seen = query.seen.in_chunk(chunk);
  float* const scores = query.scores(chunk) - chunk * kAttentionChunk;  // by position
  const int64_t end = ceil_div(seen.end, kKeys), block_elements = query.spec.head_dim * kKeys;
  for (int64_t block = seen.begin / kKeys; block < end;) {
    const int64_t page = block / kPageBlocks, in_page = block % kPageBlocks;
    const uint16_t* keys = args.pages[page] + args.k_offset;
    const float* scales = nullptr;
    if constexpr (kType == KvType::kI8)
      scales = query.scales(page, args.k_offset) + in_page * kKeys;
    if (in_page == 0 && block + kPageBlocks <= end) {
      score_blocks<kType, kPageBlocks>(query.spec, q, keys, 0, scales, scores + block * kKeys);
      block += kPageBlocks;
    } else {
      score_blocks<kType, 1>(query.spec, q, keys, in_page * block_elements, scales,
                             scores + block * kKeys);
      ++block;
    }
  }
  query.record(chunk)[query.scratch.largest(query.head)] =
      max_score(scores + seen.begin, seen.end - seen.begin);
}

// math::softmax_weight in every lane.
__m256 weigh_score(__m256 below_max) {
  const __m256 least = _mm256_set1_ps(-64.0f);
  const __m256 counts = _mm256_cmp_ps(below_max, least, _CMP_NLT_UQ);
  return _mm256_and_ps(counts, exp_each<Ymm>(_mm256_max_ps(least, below_max)));
}

// scores -> weights. Runs to the end of the last vector: a chunk is whole vectors.
void weigh_scores(float* scores, int64_t count, float max) {
  const __m256 max_each = _mm256_set1_ps(max);
  for (int64_t p = 0; p < count; p += kVector)
    _mm256_storeu_ps(scores + p, weigh_score(_mm256_sub_ps(_mm256_loadu_ps(scores + p), max_each)));
}

float largest_score(const Query& query) {
  float max = query.record(query.seen.first_chunk())[query.scratch.largest(query.head)];
  for (int64_t chunk = query.seen.first_chunk(); chunk < query.seen.end_chunk(); ++chunk) {
    const float each = query.record(chunk)[query.scratch.largest(query.head)];
    max = each > max ? each : max;
  }
  return max;
}

// kVectors vectors of the chunk's sums, at columns `column`, `column` + 8, ... and the last one at
// `last_column`; the sum of its weights.
template <KvType kType, int kVectors>
void weigh_values(const Query& query, int64_t chunk, int64_t column, int64_t last_column) {
  const int64_t head_dim = query.spec.head_dim;
  const float* weights = query.scores(chunk) - chunk * kAttentionChunk;  // by position
  const SeenPositions seen = query.seen.in_chunk(chunk);
  __m256 sums[kVectors];
  for (__m256& vector : sums) vector = _mm256_setzero_ps();
  __m128 weight_sum = _mm_setzero_ps();
  for (int64_t begin = seen.begin; begin < seen.end;) {
    const int64_t page = begin / kPage, page_begin = page * kPage;
    const uint16_t* v = query.args.pages[page] + query.args.v_offset;
    const int64_t last = page_begin + kPage < seen.end ? page_begin + kPage : seen.end;
    for (; begin < last; ++begin) {
      const int64_t row = (begin - page_begin) * head_dim;
      __m256 weight = _mm256_broadcast_ss(weights + begin);
      weight_sum = _mm_add_ss(weight_sum, _mm256_castps256_ps128(weight));
      if constexpr (kType == KvType::kI8) {
        const float* scales = query.scales(page, query.args.v_offset);
        weight = _mm256_mul_ps(weight, _mm256_broadcast_ss(scales + begin - page_begin));
      }
      for (int j = 0; j < kVectors - 1; ++j)
        sums[j] =
            _mm256_fmadd_ps(weight, load_cells<kType>(v, row + column + j * kVector), sums[j]);
      sums[kVectors - 1] =
          _mm256_fmadd_ps(weight, load_cells<kType>(v, row + last_column), sums[kVectors - 1]);
    }
  }
  float* const values = query.record(chunk) + query.scratch.values(query.head);
  for (int j = 0; j < kVectors - 1; ++j) _mm256_storeu_ps(values + column + j * kVector, sums[j]);
  _mm256_storeu_ps(values + last_column, sums[kVectors - 1]);
  _mm_store_ss(query.record(chunk) + query.scratch.sum(query.head), weight_sum);
}

using WeighValues = void (*)(const Query&, int64_t, int64_t, int64_t);
constexpr int64_t kMostVectors = 8;
template <KvType kType>
constexpr WeighValues kWeighValues[kMostVectors] = {
    weigh_values<kType, 1>, weigh_values<kType, 2>, weigh_values<kType, 3>, weigh_values<kType, 4>,
    weigh_values<kType, 5>, weigh_values<kType, 6>, weigh_values<kType, 7>, weigh_values<kType, 8>};

template <KvType kType>
void sum_values(const Query& query, int64_t chunk, float max) {
  const SeenPositions seen = query.seen.in_chunk(chunk);
  // Whole vectors: weights in front of the first position are not read.
  const int64_t first = seen.begin / kVector * kVector;
  weigh_scores(query.scores(chunk) + first % kAttentionChunk, seen.end - first, max);
  const int64_t d = query.spec.head_dim;
  for (int64_t column = 0; column < d; column += kMostVectors * kVector) {
    const int64_t left = ceil_div(d - column, kVector);
    const int64_t vectors = left < kMostVectors ? left : kMostVectors;
    const int64_t last = column + (vectors - 1) * kVector;
    kWeighValues<kType>[vectors - 1](query, chunk, column,
                                     last + kVector <= d ? last : d - kVector);
  }
}

// Chunks are added in ascending order, a vector of columns at a time.
void add_chunks(const Query& query) {
  const int64_t d = query.spec.head_dim;
  float* const out = query.args.out + query.row * query.args.out_stride + query.head * d;
  for (int64_t column = 0; column < d; column += kVector) {
    const int64_t at = column + kVector <= d ? column : d - kVector;
    __m256 total = _mm256_setzero_ps(), sum = _mm256_setzero_ps();
    for (int64_t chunk = query.seen.first_chunk(); chunk < query.seen.end_chunk(); ++chunk) {
      const float* record = query.record(chunk);
      sum = _mm256_add_ps(sum, _mm256_broadcast_ss(record + query.scratch.sum(query.head)));
      total = _mm256_add_ps(total, _mm256_loadu_ps(record + query.scratch.values(query.head) + at));
    }
    _mm256_storeu_ps(out + at, _mm256_div_ps(total, sum));
  }
}

template <KvType kType>
void attend(const Query& query) {
  const AttentionArgs& args = query.args;
  const int64_t first = query.seen.first_chunk(), last = query.seen.end_chunk();
  const int64_t begin = args.chunk_begin > first ? args.chunk_begin : first;
  const int64_t end = args.chunk_end < last ? args.chunk_end : last;
  if ((args.parts & AttentionArgs::kScores) != 0)
    for (int64_t chunk = begin; chunk < end; ++chunk) find_scores<kType>(query, chunk);
  if ((args.parts & AttentionArgs::kValues) != 0) {
    const float max = largest_score(query);
    for (int64_t chunk = begin; chunk < end; ++chunk) sum_values<kType>(query, chunk, max);
  }
  if ((args.parts & AttentionArgs::kOutput) != 0) add_chunks(query);
}

using Attend = void (*)(const Query&);

Attend attend_of(KvType type) {
  switch (type) {
    case KvType::kF16: return attend<KvType::kF16>;
    case KvType::kF32: return attend<KvType::kF32>;
    case KvType::kI8: return attend<KvType::kI8>;
  }
  return attend<KvType::kF16>;
}

}  // namespace

void attention_avx2(const AttentionSpec& spec, const AttentionArgs& args) {
  const Attend attend = attend_of(spec.kv_type);
  const KvLayout layout{.kv_heads = 1, .head_dim = spec.head_dim, .type = spec.kv_type};
  for (int64_t row = 0; row < args.rows; ++row)
    for (int64_t head = 0; head < spec.q_per_kv; ++head)
      attend({.spec = spec,
              .args = args,
              .layout = layout,
              .scratch = {.head_dim = spec.head_dim, .heads = spec.q_per_kv},
              .row = row,
              .head = head,
              .seen = seen_from(args.position + row, spec.window)});
}

}  // namespace bitnetc
