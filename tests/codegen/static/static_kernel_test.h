// What the tests of the ahead-of-time kernels share: building one through its generator, both
// guards, and the comparison of bits.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <span>

#include "codegen/static/static_generators.h"
#include "runtime/cpu_features.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_values.h"

namespace bitnetc::test {

inline constexpr Edge kBothEdges[] = {Edge::kEnd, Edge::kBegin};

#define BITNETC_SKIP_WITHOUT_AVX2()                                        \
  if (!machine_target().supports(Isa::kAvx2)) {                            \
    std::printf("skipped: this CPU has no AVX2, the kernel cannot run\n"); \
    GTEST_SKIP() << "this CPU has no AVX2";                                \
  }

inline Kernel build_static(const Generator& generator, const KernelSpec& spec) {
  const KernelRequest request{.spec = spec, .plan = {}, .target = target_for(Isa::kAvx2)};
  const Status accepted = generator.accepts(request);
  BITNETC_CHECK(accepted.ok(), "{}", accepted.message());
  return *generator.build(request, spec_name(spec) + "_static_avx2", {});
}

// Index of the first element whose bits differ, -1 when all agree.
template <typename T>
int64_t first_difference(std::span<const T> a, std::span<const T> b) {
  if (a.size() != b.size()) return static_cast<int64_t>(std::min(a.size(), b.size()));
  for (size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0) return static_cast<int64_t>(i);
  return -1;
}

}  // namespace bitnetc::test
