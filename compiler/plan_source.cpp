#include "compiler/plan_source.h"

namespace bitnetc {
namespace {

// docs/decisions/0001 and 0004 have the measurements: eight 16-column cells an iteration hide the loop, and
// prefetching 3 KiB ahead lifts the stream from memory by a fifth (4 KiB pages) to two fifths (huge pages). Two
// tiles a step gain from L2 and make no difference end to end.
constexpr KernelPlan kAvx2Plan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 3072};

// The VNNI plans follow from latencies, not from measurements: vpdpbusd takes five cycles, so a 512-bit
// tile alone (four accumulators) would wait for itself; two do not. A 256-bit tile has eight.
KernelPlan plan_avx512_vnni(const MatmulSpec& spec) {
  if (spec.m <= 2) return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 16384};
  return {.tiles_per_step = 1, .k_unroll = 4, .prefetch_bytes = 3072};
}

}  // namespace

KernelPlan HeuristicPlanSource::plan_for(const KernelSpec& spec, const Target& target) const {
  const auto* matmul = std::get_if<MatmulSpec>(&spec);
  if (matmul == nullptr) return {};
  switch (target.best_isa) {
    case Isa::kScalar:
    case Isa::kAvx2: return kAvx2Plan;
    case Isa::kAvxVnni: return {.tiles_per_step = 1, .k_unroll = 4, .prefetch_bytes = 3072};
    case Isa::kAvx512Vnni:
    case Isa::kAmx: return plan_avx512_vnni(*matmul);
  }
  return {};
}

// Every tier has kernels for i2_s, and it decodes with one mask a plane.
LayoutId HeuristicPlanSource::layout_for(const MatmulSpec&, const Target&) const {
  return LayoutId::kI2S;
}

}  // namespace bitnetc
