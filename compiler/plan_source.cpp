#include "compiler/plan_source.h"

namespace bitnetc {
namespace {

// docs/decisions/0001 and 0004 have the measurements: eight 16-column cells an iteration hide the loop, and
// prefetching 3 KiB ahead lifts the stream from memory by a fifth (4 KiB pages) to two fifths (huge pages). Two
// tiles a step gain from L2 and make no difference end to end.
constexpr KernelPlan kAvx2Plan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 3072};

// One 512-bit tile waits for its own dot products when the weights are in L2 (269 of 510 G weights/s), but from
// memory one stream beats two or four: AMD EPYC Zen 5, one thread, 2560 x 2560, one token, 136 G weights/s with
// one tile and 8 KiB ahead, 128 with 3 KiB, 112 and less with two tiles. With 4 or 8 tokens two tiles gain 5 and
// 2 %, as long as the distance exceeds a tile; not enough to depend on it.
constexpr KernelPlan kAvx512VnniPlan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 8192};

// Look-ups share each table among the tiles of a step. Zen 5, as above: with 4 and 8 tiles tl2 105 and 113, b3 130
// and 155, tl1 124 and 117 G weights/s from memory; AVX2 with 1 and 2 tiles tl2 68 and 75, b3 58 and 59, tl1 59
// and 66.
KernelPlan lut_plan(LayoutId layout, const Target& target) {
  if (!target.supports(Isa::kAvx512Vnni))
    return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 4096};
  return {
      .tiles_per_step = layout == LayoutId::kTl1 ? 4 : 8, .k_unroll = 4, .prefetch_bytes = 4096};
}

}  // namespace

KernelPlan HeuristicPlanSource::plan_for(const KernelSpec& spec, const Target& target) const {
  const auto* matmul = std::get_if<MatmulSpec>(&spec);
  if (matmul == nullptr) return {};
  if (matmul->m == 1 && matmul->layout != LayoutId::kI2S) return lut_plan(matmul->layout, target);
  switch (target.best_isa) {
    case Isa::kScalar:
    case Isa::kAvx2: return kAvx2Plan;
    case Isa::kAvxVnni: return {.tiles_per_step = 1, .k_unroll = 4, .prefetch_bytes = 3072};
    case Isa::kAvx512Vnni:
    case Isa::kAmx: return kAvx512VnniPlan;
  }
  return {};
}

}  // namespace bitnetc
