// The gated products of docs/numerics.md section 8, for the vectors of any tier. Internal linkage:
// see vectors_avx2.h.
#pragma once

#include "codegen/operations/matmul.h"
#include "codegen/static/exp_each.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

// x / (1 + e^-t)
template <typename V>
typename V::Float over_one_plus_exp(typename V::Float x, typename V::Float t) {
  return V::divide(x, V::add(V::broadcast(1.0f), exp_each<V>(V::negate(t))));
}

// math::gelu_f32
template <typename V>
typename V::Float gelu_each(typename V::Float x) {
  const auto slope =
      V::fused(V::multiply(x, x), V::broadcast(0x1.2444f2p-4f), V::broadcast(0x1.988454p+0f));
  return over_one_plus_exp<V>(x, V::multiply(x, slope));
}

template <typename V, Epilogue kEpilogue>
typename V::Float gated(typename V::Float gate, typename V::Float up) {
  if constexpr (kEpilogue == Epilogue::kSiluMul)
    return V::multiply(over_one_plus_exp<V>(gate, gate), up);
  if constexpr (kEpilogue == Epilogue::kGeluMul) return V::multiply(gelu_each<V>(gate), up);
  const typename V::Float positive = V::max(gate, V::broadcast(0.0f));
  return V::multiply(V::multiply(positive, positive), up);
}

}  // namespace
}  // namespace bitnetc
