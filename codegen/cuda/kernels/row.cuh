// Rows that a block norms and quantises together: the steps of docs/numerics.md, sections 3, 6
// and 7, for kernels of one row and for prologues that need a row before they begin.
#pragma once

#include "codegen/cuda/kernels/prelude.cuh"

namespace bitnetc::cuda {

inline constexpr uint32_t kLanes = 64;  // of lanes64

// Shared memory of a block that norms a row.
struct NormScratch {
  static constexpr uint32_t kStaged = 4096;  // elements at a time
  float staged[kStaged];
  float lanes[kLanes];
  float factor;
};
// Of one that quantises a row.
struct QuantizeScratch {
  float maxima[kWarp];
  int32_t sums[kWarp];
};

// The elements of a row of k that belong to this thread, in registers: i = thread + j * threads.
template <uint32_t k, uint32_t threads>
struct OwnElements {
  static constexpr uint32_t kEach = (k + threads - 1) / threads;
  float value[kEach];

  static __device__ __forceinline__ uint32_t index(uint32_t j) {
    return j * threads + thread_index();
  }
  static __device__ __forceinline__ bool is_there(uint32_t j) { return index(j) < k; }

  __device__ __forceinline__ void load(const float* row) {
#pragma unroll
    for (uint32_t j = 0; j < kEach; ++j) value[j] = is_there(j) ? row[index(j)] : 0.0f;
  }
  // visit(j, i, value) for those that are there.
  template <typename Visit>
  __device__ __forceinline__ void for_each(Visit visit) {
#pragma unroll
    for (uint32_t j = 0; j < kEach; ++j)
      if (is_there(j)) visit(j, index(j), value[j]);
  }
};

// lanes64 of fma(x, x, lane), folded, in thread 0. The first 64 threads walk a lane each, through
// shared memory. `threads` is at least 64.
template <uint32_t k, uint32_t threads>
__device__ __forceinline__ float sum_of_squares(OwnElements<k, threads>& x, NormScratch& scratch) {
  using Own = OwnElements<k, threads>;
  static_assert(threads >= kLanes && NormScratch::kStaged % threads == 0);
  constexpr uint32_t kEachStaged = NormScratch::kStaged / threads;
  const uint32_t thread = thread_index();
  float lane = 0.0f;
#pragma unroll
  for (uint32_t first = 0; first < Own::kEach; first += kEachStaged) {
    if (first > 0) barrier();
#pragma unroll
    for (uint32_t j = first; j < first + kEachStaged && j < Own::kEach; ++j)
      scratch.staged[(j - first) * threads + thread] = x.value[j];
    barrier();
    constexpr uint32_t kStaged = NormScratch::kStaged;
    const uint32_t rest = k - first * threads, count = rest < kStaged ? rest : kStaged;
    if (thread < kLanes) {
#pragma unroll 8
      for (uint32_t i = thread; i < count; i += kLanes)
        lane = fma(scratch.staged[i], scratch.staged[i], lane);
    }
  }
  if (thread < kLanes) scratch.lanes[thread] = lane;
  barrier();
  if (thread >= kWarp) return 0.0f;
  float sum = add(scratch.lanes[thread], scratch.lanes[thread + kWarp]);
#pragma unroll
  for (uint32_t half = kWarp / 2; half > 0; half /= 2) sum = add(sum, from_lane_below(sum, half));
  return sum;
}

// x <- RMS norm of x, times weight.
template <uint32_t k, uint32_t threads>
__device__ __forceinline__ void normalise(OwnElements<k, threads>& x, const float* weight,
                                          float eps, NormScratch& scratch) {
  const float sum = sum_of_squares<k, threads>(x, scratch);
  if (thread_index() == 0)
    scratch.factor = div(1.0f, sqrt(add(div(sum, static_cast<float>(k)), eps)));
  barrier();
  const float r = scratch.factor;
  x.for_each(
      [&](uint32_t j, uint32_t i, float value) { x.value[j] = mul(mul(value, r), weight[i]); });
}

inline constexpr float kMinAbsmax = 1e-5f;

// The measure of values whose largest magnitude is `absmax` makes these of them.
__device__ __forceinline__ float code_factor(float absmax) {
  return div(127.0f, absmax);
}
__device__ __forceinline__ float code_scale(float absmax) {
  return div(absmax, 127.0f);
}
__device__ __forceinline__ int32_t to_code(float scaled) {
  const int32_t code = rint_to_int(scaled);
  return code < -128 ? -128 : code > 127 ? 127 : code;
}

// The measure of the row x, in every thread.
template <uint32_t k, uint32_t threads>
__device__ __forceinline__ float absmax_of_row(OwnElements<k, threads>& x,
                                               QuantizeScratch& scratch) {
  float absmax = kMinAbsmax;
  x.for_each([&](uint32_t, uint32_t, float value) { absmax = max(absmax, abs(value)); });
  return largest_of_block<threads>(absmax, scratch.maxima);
}

// Codes, scale and sum of the row x, whose measure is `absmax`; q is zero from k to padded_k.
template <uint32_t k, uint32_t padded_k, uint32_t threads>
__device__ __forceinline__ void quantize_row(OwnElements<k, threads>& x, float absmax, int8_t* q,
                                             float* scale, int32_t* sum, QuantizeScratch& scratch) {
  q = in_device_memory(q);
  const float factor = code_factor(absmax);
  int32_t own = 0;
  x.for_each([&](uint32_t, uint32_t i, float value) {
    const int32_t code = to_code(mul(value, factor));
    q[i] = static_cast<int8_t>(code);
    own += code;
  });
  for (uint32_t i = k + thread_index(); i < padded_k; i += threads) q[i] = 0;
  const int32_t total = sum_of_block<threads>(own, scratch.sums);
  if (thread_index() == 0) {
    *in_device_memory(scale) = code_scale(absmax);
    *in_device_memory(sum) = total;
  }
}

}  // namespace bitnetc::cuda
