// head_avx2     logits[n] = lanes64 dot of hidden[k] with row n of the table
//
// Shapes     table f32, f16 or bf16 [n][k], any k     rows [row_begin, row_end)
// Tile       one row of the table, one hidden row: 8 accumulators of 8 lanes, as many as the fma
//            latency asks for;
//            all hidden rows meet a table row while it is in the L1 cache
// bf16       A vector of 16 is widened by two unpacks with zero, without a shift: they give columns
//            {0-3, 8-11} and {4-7, 12-15}. The hidden rows are permuted once per call to match, and
//            the accumulators are put back in order before they fold.
// Reference  codegen/reference/tables.cpp

#include "codegen/static/static_kernels.h"
#include "codegen/static/vectors_avx2.h"

namespace bitnetc {

namespace {

// 4 KiB ahead: +8 % for 32064 x 2560 bf16 on AMD Milan, 2026-11, head_avx2_bench; 1, 2 and 8 KiB:
// less.
constexpr int64_t kPrefetchBytes = 4096;

constexpr int64_t kBf16Vector = 16;
constexpr int64_t kMostPermuted = 32768;  // columns of all rows together, 128 KiB on the stack

template <FloatType kType>
void dot_rows(int64_t k, const HeadArgs& args) {
  for (int64_t n = args.row_begin; n < args.row_end; ++n)
    for (int64_t row = 0; row < args.rows; ++row)
      args.logits[row * args.logits_stride + n] =
          dot_lanes64<kType>(args.hidden + row * args.hidden_stride, args.table, n * k, k);
}

// Swaps columns 4-7 and 8-11 of every 16.
void permute_hidden(const float* hidden, int64_t columns, float* permuted) {
  for (int64_t i = 0; i < columns; i += kBf16Vector) {
    const __m256 low = _mm256_loadu_ps(hidden + i);
    const __m256 high = _mm256_loadu_ps(hidden + i + kVector);
    _mm256_store_ps(permuted + i, _mm256_permute2f128_ps(low, high, 0x20));
    _mm256_store_ps(permuted + i + kVector, _mm256_permute2f128_ps(low, high, 0x31));
  }
}

// The groups of 64 columns of one row, into lanes in their natural order.
void dot_bf16_groups(const float* permuted, const uint16_t* row, int64_t columns,
                     __m256 lanes[kLaneVectors]) {
  const __m256i zero = _mm256_setzero_si256();
  __m256 sums[kLaneVectors];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (int64_t i = 0; i < columns; i += kLaneCount) {
    const char* ahead = reinterpret_cast<const char*>(row + i) + kPrefetchBytes;
    _mm_prefetch(ahead, _MM_HINT_T0);
    _mm_prefetch(ahead + 64, _MM_HINT_T0);
    for (int j = 0; j < kLaneVectors; j += 2) {
      const int64_t at = i + j * kVector;
      const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + at));
      const __m256 first = _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, bits));
      const __m256 second = _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, bits));
      sums[j] = _mm256_fmadd_ps(_mm256_load_ps(permuted + at), first, sums[j]);
      sums[j + 1] = _mm256_fmadd_ps(_mm256_load_ps(permuted + at + kVector), second, sums[j + 1]);
    }
  }
  for (int j = 0; j < kLaneVectors; j += 2) {
    lanes[j] = _mm256_permute2f128_ps(sums[j], sums[j + 1], 0x20);
    lanes[j + 1] = _mm256_permute2f128_ps(sums[j], sums[j + 1], 0x31);
  }
}

// Hidden rows [first, first + rows), whose permuted columns fit together.
void dot_bf16_rows(int64_t k, const HeadArgs& args, int64_t first, int64_t rows) {
  alignas(32) float permuted[kMostPermuted];
  const int64_t columns = k / kLaneCount * kLaneCount;
  const float* hidden = args.hidden + first * args.hidden_stride;
  float* logits = args.logits + first * args.logits_stride;
  for (int64_t row = 0; row < rows; ++row)
    permute_hidden(hidden + row * args.hidden_stride, columns, permuted + row * columns);
  for (int64_t n = args.row_begin; n < args.row_end; ++n) {
    const uint16_t* weights = static_cast<const uint16_t*>(args.table) + n * k;
    for (int64_t row = 0; row < rows; ++row) {
      __m256 lanes[kLaneVectors];
      dot_bf16_groups(permuted + row * columns, weights, columns, lanes);
      logits[row * args.logits_stride + n] = finish_lanes64<FloatType::kBf16>(
          lanes, hidden + row * args.hidden_stride, args.table, n * k, columns, k);
    }
  }
}

void dot_bf16(int64_t k, const HeadArgs& args) {
  if (k > kMostPermuted) return dot_rows<FloatType::kBf16>(k, args);
  const int64_t most = kMostPermuted / k;
  for (int64_t first = 0; first < args.rows; first += most) {
    const int64_t left = args.rows - first;
    dot_bf16_rows(k, args, first, left < most ? left : most);
  }
}

}  // namespace

void head_avx2(const HeadSpec& spec, const HeadArgs& args) {
  switch (spec.type) {
    case FloatType::kF32: return dot_rows<FloatType::kF32>(spec.k, args);
    case FloatType::kF16: return dot_rows<FloatType::kF16>(spec.k, args);
    case FloatType::kBf16: return dot_bf16(spec.k, args);
  }
}

}  // namespace bitnetc
