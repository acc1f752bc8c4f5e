// panel_avxvnni.cpp     matrix products for any number of tokens, AVX-VNNI: 256-bit vpdpbusd
//
// Shapes     MatmulArgs, m = 1..256; any N % 16 == 0, any K < 2^23
// Tile       2 tiles of 16 rows (four ymm) x 3 tokens: 12 accumulators + 3 activations + codes = 16 ymm
//            1 tile alone takes 6 tokens: 12 accumulators + 2 codes + activations = 15
// Work       a group, that is 4 columns of 2 tiles for 3 tokens: 12 vpdpbusd, 4 loads, 3 broadcasts
// Exactness  vpdpbusd does not saturate. Codes are at most 2, so an int32 lane is within 2*128*K: K < 2^23.
// Layout     any with a panel decoder          Reference  codegen/reference/matmul.cpp
#include "codegen/x64/panel/panel_vectors.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {
namespace {

using Xbyak::Xmm;

constexpr VectorFile kYmm{.count = 16, .bytes = 32};
constexpr int kBatches[] = {0, 2};  // two tiles take 3 tokens at most

class PanelAvxVnni final : public PanelVectorMatmul {
 public:
  static constexpr PanelLimits kLimits{.max_block_k = 2048, .max_tokens = 6, .own_block_k = 384};
  static constexpr PlanField kFields[] = {tiles_field(kPanelTiles), unroll_field(kPanelUnrolls),
                                          prefetch_field(kPanelPrefetches),
                                          block_field(kPanelBlocks), tokens_field(kBatches)};

  static MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
    return panel_vector_work(kYmm, spec, plan, kLimits, 0, tokens);
  }

  PanelAvxVnni(const MatmulSpec& spec, const KernelPlan& plan)
      : PanelVectorMatmul(kYmm, spec, plan, kLimits, 0) {}

 private:
  void dot(const Xmm& sum, const Xmm& codes, const Xmm& x) override {
    vpdpbusd(sum, codes, x, Xbyak::VexEncoding);
  }
};

constexpr MatmulFamily kFamily =
    panel_family<PanelAvxVnni>("x64_panel_avxvnni", "panel_avxvnni", Isa::kAvxVnni);

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_panel_avxvnni() {
  return x64::make_matmul_generator(x64::kFamily);
}

}  // namespace bitnetc
