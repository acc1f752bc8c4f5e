// What device code is written with: everything beyond plain C++ goes through here, so that no CUDA
// header is needed (compiled by NVRTC: codegen/cuda/nvrtc_compiler.h). Floats are computed by the
// functions below alone. Each of them is one correctly rounded operation of docs/numerics.md, which
// no compiler may fuse or approximate.
//
// Indices are unsigned where they can be: a signed division by a power of two costs corrections.
#pragma once

#include "runtime/kernel_args.h"

namespace bitnetc::cuda {

inline constexpr uint32_t kWarp = 32;       // threads
inline constexpr uint32_t kAllLanes = ~0u;  // of a warp

// ---- floats

__device__ __forceinline__ float add(float a, float b) {
  return __fadd_rn(a, b);
}
__device__ __forceinline__ float sub(float a, float b) {
  return __fsub_rn(a, b);
}
__device__ __forceinline__ float mul(float a, float b) {
  return __fmul_rn(a, b);
}
__device__ __forceinline__ float fma(float a, float b, float c) {
  return __fmaf_rn(a, b, c);
}
__device__ __forceinline__ float div(float a, float b) {
  return __fdiv_rn(a, b);
}
__device__ __forceinline__ float sqrt(float a) {
  return __fsqrt_rn(a);
}
__device__ __forceinline__ float rint(float a) {
  float rounded;
  asm("cvt.rni.f32.f32 %0, %1;" : "=f"(rounded) : "f"(a));
  return rounded;
}
__device__ __forceinline__ float to_float(int32_t a) {
  return __int2float_rn(a);
}
// Ties to even; beyond int32 its nearest end, NaN: 0.
__device__ __forceinline__ int32_t rint_to_int(float a) {
  return __float2int_rn(a);
}
__device__ __forceinline__ float bits_to_float(uint32_t bits) {
  return __uint_as_float(bits);
}
__device__ __forceinline__ uint32_t float_to_bits(float a) {
  return __float_as_uint(a);
}
__device__ __forceinline__ float abs(float a) {
  return bits_to_float(float_to_bits(a) & 0x7fffffffu);
}
// The greater one; of a NaN and a number the number.
__device__ __forceinline__ float max(float a, float b) {
  float greater;
  asm("max.f32 %0, %1, %2;" : "=f"(greater) : "f"(a), "f"(b));
  return greater;
}
__device__ __forceinline__ float widen_f16(uint16_t bits) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(bits));
  return wide;
}
__device__ __forceinline__ uint16_t round_to_f16(float a) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(a));
  return bits;
}
__device__ __forceinline__ float widen_bf16(uint16_t bits) {
  return bits_to_float(static_cast<uint32_t>(bits) << 16);
}

// ---- integers

// sum + four products of unsigned bytes of `a` with signed ones of `b`.
__device__ __forceinline__ int32_t dp4a_u8_s8(uint32_t a, uint32_t b, int32_t sum) {
  int32_t result;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}

// The sums of a 16 x 8 tile in a warp: of lane 4g + q, rows g and g + 8 (in this order), columns 2q
// and 2q + 1 of each.
struct MmaSums {
  int32_t value[4] = {};
};
// sums += A B, with unsigned bytes A[16][32] and signed bytes B[32][8]. Lane 4g + q holds of A rows
// g (a0, a2) and g + 8 (a1, a3), columns 4q to 4q + 3 (a0, a1) and 16 + 4q to 19 + 4q (a2, a3); of
// B column g, rows 4q to 4q + 3 (b0) and 16 + 4q to 19 + 4q (b1).
__device__ __forceinline__ void mma_u8_s8(MmaSums& sums, uint32_t a0, uint32_t a1, uint32_t a2,
                                          uint32_t a3, uint32_t b0, uint32_t b1) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(sums.value[0]), "+r"(sums.value[1]), "+r"(sums.value[2]), "+r"(sums.value[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#else
  const auto quarter = [](int32_t& left, int32_t& right, uint32_t a, uint32_t b) {
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
                 : "+r"(left), "+r"(right)
                 : "r"(a), "r"(b));
  };
  quarter(sums.value[0], sums.value[1], a0, b0);
  quarter(sums.value[0], sums.value[1], a2, b1);
  quarter(sums.value[2], sums.value[3], a1, b0);
  quarter(sums.value[2], sums.value[3], a3, b1);
#endif
}

// ---- memory

// Says of an address that it is one of device memory, where the compiler does not see it: pointers
// of an Args struct that is read from an array of them.
template <typename T>
__device__ __forceinline__ T* in_device_memory(T* address) {
  __builtin_assume(__isGlobal(address));
  return address;
}

// Shared memory of the launch (GpuLaunch::shared_bytes), aligned to 16 bytes.
template <typename T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}

struct alignas(16) Words4 {
  uint32_t word[4];
};
// What is read once, as weights are: not kept in L1. The kernel must not write it.
__device__ __forceinline__ Words4 load_once(const Words4* from) {
  Words4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.word[0]), "=r"(v.word[1]), "=r"(v.word[2]), "=r"(v.word[3])
               : "l"(from));
  return v;
}
__device__ __forceinline__ uint32_t load_once(const uint32_t* from) {
  uint32_t v;
  asm volatile("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(v) : "l"(from));
  return v;
}

__device__ __forceinline__ uint32_t shared_address(const void* at) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(at));
}
// 8 x 8 tiles of 16 bits; each lane gives the address of a row of 16 bytes in shared memory.
__device__ __forceinline__ void load_matrices(uint32_t& r0, uint32_t& r1, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
               : "=r"(r0), "=r"(r1)
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void load_matrices(uint32_t& r0, uint32_t& r1, uint32_t& r2,
                                              uint32_t& r3, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3)
               : "r"(shared_address(row))
               : "memory");
}

// Copies to shared memory that go on beside the computation: 16 bytes each, aligned, collected in
// groups. Before sm_80 a copy is there when copy_async returns.
__device__ __forceinline__ void copy_async(Words4* to_shared, const Words4* from) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to_shared)),
               "l"(from)
               : "memory");
#else
  *to_shared = *from;
#endif
}
__device__ __forceinline__ void end_copy_group() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Until at most `pending` groups of this thread are not finished. Other threads see the copies
// behind a barrier.
template <uint32_t pending>
__device__ __forceinline__ void wait_for_copy_groups() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#endif
}

// ---- threads

__device__ __forceinline__ void barrier() {
  __syncthreads();
}
__device__ __forceinline__ uint32_t thread_index() {
  return threadIdx.x;
}
template <typename T>
__device__ __forceinline__ T from_lane_xor(T value, uint32_t mask) {
  return __shfl_xor_sync(kAllLanes, value, mask);
}
template <typename T>
__device__ __forceinline__ T from_lane_below(T value, uint32_t distance) {  // of lane + distance
  return __shfl_down_sync(kAllLanes, value, distance);
}

// `combine` of the values of all threads, in every thread. It must not matter in which order: int32
// sums, maxima. Has a barrier in it, and needs one between two calls with the same `slots`.
template <uint32_t threads, typename T, typename Combine>
__device__ __forceinline__ T combine_block(T value, T* slots, Combine combine) {
  static_assert(threads % kWarp == 0 && threads <= kWarp * kWarp);
  constexpr uint32_t warps = threads / kWarp;
#pragma unroll
  for (uint32_t mask = kWarp / 2; mask > 0; mask /= 2)
    value = combine(value, from_lane_xor(value, mask));
  if constexpr (warps == 1) return value;
  if (thread_index() % kWarp == 0) slots[thread_index() / kWarp] = value;
  barrier();
  value = slots[0];
#pragma unroll
  for (uint32_t warp = 1; warp < warps; ++warp) value = combine(value, slots[warp]);
  return value;
}
template <uint32_t threads>
__device__ __forceinline__ float largest_of_block(float value, float* slots) {
  return combine_block<threads>(value, slots, [](float a, float b) { return max(a, b); });
}
template <uint32_t threads>
__device__ __forceinline__ int32_t sum_of_block(int32_t value, int32_t* slots) {
  return combine_block<threads>(value, slots, [](int32_t a, int32_t b) { return a + b; });
}

// ---- functions of docs/numerics.md, section 4

// 2^exponent for the exponents of normal numbers.
__device__ __forceinline__ float power_of_two(int32_t exponent) {
  return bits_to_float(static_cast<uint32_t>(exponent + 127) << 23);
}

__device__ __forceinline__ float exp(float x) {
  x = x < -104.0f ? -104.0f : x;  // a NaN stays one
  x = x > 89.0f ? 89.0f : x;
  const float n = rint(mul(x, 0x1.715476p+0f));
  float r = fma(n, -0x1.62e430p-1f, x);
  r = fma(n, 0x1.05c610p-29f, r);
  float p = 0x1.6fef60p-10f;
  p = fma(p, r, 0x1.1257d8p-7f);
  p = fma(p, r, 0x1.555300p-5f);
  p = fma(p, r, 0x1.555466p-3f);
  p = fma(p, r, 0.5f);
  p = fma(p, r, 1.0f);
  p = fma(p, r, 1.0f);
  const int32_t exponent = rint_to_int(n), first = exponent >> 1;
  return mul(mul(p, power_of_two(first)), power_of_two(exponent - first));
}

__device__ __forceinline__ float softmax_weight(float x) {
  return x < -64.0f ? 0.0f : exp(x);
}

__device__ __forceinline__ float silu(float x) {
  return div(x, add(1.0f, exp(-x)));
}

__device__ __forceinline__ float gelu(float x) {
  const float slope = fma(mul(x, x), 0x1.2444f2p-4f, 0x1.988454p+0f);
  return div(x, add(1.0f, exp(-mul(x, slope))));
}

// What a gated epilogue makes of two values (section 8).
enum class Gate { kRelu2, kSilu, kGelu };
template <Gate gate>
__device__ __forceinline__ float gated(float v_gate, float v_up) {
  if constexpr (gate == Gate::kRelu2) {
    const float g = v_gate > 0.0f ? v_gate : 0.0f;
    return mul(mul(g, g), v_up);
  } else {
    return mul(gate == Gate::kSilu ? silu(v_gate) : gelu(v_gate), v_up);
  }
}

}  // namespace bitnetc::cuda
