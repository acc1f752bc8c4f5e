// exp of a vector of floats, bit for bit that of docs/numerics.md section 4, for the vectors of any
// tier (codegen/static/vectors_ymm.h). Internal linkage: see vectors_avx2.h.
#pragma once

#include <initializer_list>

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

// math::exp_f32 in every lane.
template <typename V>
typename V::Float exp_each(typename V::Float x) {
  using Float = typename V::Float;
  x = V::min(V::broadcast(89.0f), V::max(V::broadcast(-104.0f), x));
  const Float n = V::rint(V::multiply(x, V::broadcast(0x1.715476p+0f)));
  Float r = V::fused(n, V::broadcast(-0x1.62e430p-1f), x);
  r = V::fused(n, V::broadcast(0x1.05c610p-29f), r);
  Float p = V::broadcast(0x1.6fef60p-10f);
  for (const float coefficient : {0x1.1257d8p-7f, 0x1.555300p-5f, 0x1.555466p-3f, 0.5f, 1.0f, 1.0f})
    p = V::fused(p, r, V::broadcast(coefficient));
  const typename V::Int exponent = V::to_int(n);
  const typename V::Int first = V::template shift_right<1>(exponent);
  p = V::multiply(p, V::power_of_two(first));
  return V::multiply(p, V::power_of_two(V::subtract(exponent, first)));
}

}  // namespace
}  // namespace bitnetc
