// Keys and values in a page (runtime/kv_cache.h).
#pragma once

#include "codegen/cuda/kernels/row.cuh"

namespace bitnetc::cuda {

enum class Kv { kF16, kF32, kI8 };
inline constexpr int64_t kKeyBlock = 16;  // positions, KvLayout::kKeyBlock

// Where the cells of one head begin in a page, and their scales behind them. C: kv_type,
// scales_offset (words).
template <class C>
struct HeadCells {
  uint16_t* words;

  // Widened exactly; of i8 the code.
  __device__ __forceinline__ float load(int64_t index) const {
    if constexpr (C::kv_type == Kv::kF16) return widen_f16(words[index]);
    if constexpr (C::kv_type == Kv::kF32) return reinterpret_cast<const float*>(words)[index];
    return to_float(reinterpret_cast<const int8_t*>(words)[index]);
  }
  // What the cells of a position are multiples of.
  __device__ __forceinline__ float scale(int64_t position) const {
    if constexpr (C::kv_type != Kv::kI8) return 1.0f;
    return reinterpret_cast<const float*>(words + C::scales_offset)[position];
  }
  __device__ __forceinline__ void store(int64_t index, float value, float factor) const {
    if constexpr (C::kv_type == Kv::kF16) words[index] = round_to_f16(value);
    if constexpr (C::kv_type == Kv::kF32) reinterpret_cast<float*>(words)[index] = value;
    if constexpr (C::kv_type == Kv::kI8)
      reinterpret_cast<int8_t*>(words)[index] = static_cast<int8_t>(to_code(mul(value, factor)));
  }
  __device__ __forceinline__ void store_scale(int64_t position, float absmax) const {
    reinterpret_cast<float*>(words + C::scales_offset)[position] = code_scale(absmax);
  }
};

}  // namespace bitnetc::cuda
