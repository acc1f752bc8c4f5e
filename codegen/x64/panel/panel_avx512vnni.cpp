// panel_avx512vnni.cpp     matrix products for any number of tokens, AVX-512 VNNI: 512-bit vpdpbusd
//
// Shapes     MatmulArgs, m = 1..256; any N % 16 == 0, any K < 2^23
// Tile       4 tiles of 16 rows x 6 tokens: 24 accumulators + 4 codes + activations = 29 of 32 zmm
//            2 tiles x 12 tokens, or 1 tile x 12 tokens, at the end of a range of tiles
// Work       a group, that is 4 columns of 4 tiles for 6 tokens: 24 vpdpbusd, 4 loads, 6 broadcasts. Two
//            vpdpbusd and two loads a cycle are 12 and 5 cycles; 24 chains are more than the 8 to 10 that
//            a latency of four or five cycles asks for.
// Exactness  vpdpbusd does not saturate. Codes are at most 2, so an int32 lane is within 2*128*K: K < 2^23.
// Layout     any with a panel decoder; tl2 and b3 need VBMI to decode
// Reference  codegen/reference/matmul.cpp
#include "codegen/x64/panel/panel_vectors.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {
namespace {

using Xbyak::Xmm;

constexpr VectorFile kZmm{.count = 32, .bytes = 64};

class PanelAvx512Vnni final : public PanelVectorMatmul {
 public:
  static constexpr PanelLimits kLimits{
      .max_block_k = 2048, .max_tokens = kMaxBatchTokens, .own_block_k = 384};
  static constexpr PlanField kFields[] = {tiles_field(kPanelTiles), unroll_field(kPanelUnrolls),
                                          prefetch_field(kPanelPrefetches),
                                          block_field(kPanelBlocks), tokens_field(kPanelTokens)};

  static MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
    return panel_vector_work(kZmm, spec, plan, kLimits, 0, tokens);
  }

  PanelAvx512Vnni(const MatmulSpec& spec, const KernelPlan& plan)
      : PanelVectorMatmul(kZmm, spec, plan, kLimits, 0) {}

 private:
  void dot(const Xmm& sum, const Xmm& codes, const Xmm& x) override {
    vpdpbusd(sum, codes, x, Xbyak::EvexEncoding);
  }
};

constexpr MatmulFamily kFamily = panel_family<PanelAvx512Vnni>(
    "x64_panel_avx512vnni", "panel_avx512vnni", Isa::kAvx512Vnni, {LayoutId::kTl2, LayoutId::kB3});

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_panel_avx512vnni() {
  return x64::make_matmul_generator(x64::kFamily);
}

}  // namespace bitnetc
