// panel_vnni.cpp     matrix products for any number of tokens, AVX-VNNI and AVX-512 VNNI: vpdpbusd
//
// Shapes     MatmulArgs, m = 1..256; any N % 16 == 0, any K < 2^23
// Tile, AVX-VNNI
//            2 tiles of 16 rows (four ymm) x 3 tokens: 12 accumulators + 3 activations + codes = 16
//            1 tile alone takes 6 tokens: 12 accumulators + 2 codes + activations = 15
// Tile, AVX-512
//            4 tiles of 16 rows x 6 tokens: 24 accumulators + 4 codes + activations = 29 of 32 zmm
//            2 tiles x 12 tokens, or 1 tile x 12 tokens, at the end of a range of tiles
// Work       a dot group, that is 4 columns,
//            AVX-VNNI  of 2 tiles for 3 tokens: 12 vpdpbusd, 4 loads, 3 broadcasts
//            AVX-512   of 4 tiles for 6 tokens: 24 vpdpbusd, 4 loads, 6 broadcasts. Two vpdpbusd
//                      and two loads per cycle are 12 and 5 cycles; 24 chains are more than the 8
//                      to 10 that a latency of four or five cycles asks for.
// Exactness  vpdpbusd does not saturate. Codes are at most 2, so an int32 lane is within 2*128*K:
//            K < 2^23.
// Layout     any with a panel decoder; at 512 bits tl2 and b3 need VBMI to decode
// Reference  codegen/reference/matmul.cpp
#include "codegen/x64/emit/vnni_tier.h"
#include "codegen/x64/panel/panel_vectors.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::panel_vnni {
namespace {

constexpr int kAvxVnniTokens[] = {0, 2};  // two tiles take 3 tokens at most

// A tier and its choice of plans.
struct AvxVnni {
  static constexpr VnniTier kTier = kAvxVnniTier;
  static constexpr int kMaxTokens = 6;
  static constexpr std::span<const int> kTokens = kAvxVnniTokens;
};
struct Avx512Vnni {
  static constexpr VnniTier kTier = kAvx512VnniTier;
  static constexpr int kMaxTokens = kMaxBatchTokens;
  static constexpr std::span<const int> kTokens = kPanelTokens;
};

template <class Tier>
class PanelVnni final : public PanelVectorMatmul {
 public:
  static constexpr PanelLimits kLimits{
      .max_block_k = 2048, .max_tokens = Tier::kMaxTokens, .own_block_k = 384};
  static constexpr PlanField kFields[] = {tiles_field(kPanelTiles), unroll_field(kPanelUnrolls),
                                          prefetch_field(kPanelPrefetches),
                                          block_field(kPanelBlocks), tokens_field(Tier::kTokens)};

  static MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
    return panel_vector_work(Tier::kTier.vectors, spec, plan, kLimits, 0, tokens);
  }

  PanelVnni(const MatmulSpec& spec, const KernelPlan& plan)
      : PanelVectorMatmul(Tier::kTier.vectors, spec, plan, kLimits, 0) {}

 private:
  void dot(const Xbyak::Xmm& sum, const Xbyak::Xmm& codes, const Xbyak::Xmm& x) override {
    vpdpbusd(sum, codes, x, Tier::kTier.encoding);
  }
};

constexpr MatmulFamily kAvxVnniFamily =
    panel_family<PanelVnni<AvxVnni>>("x64_panel_avxvnni", "panel_avxvnni", Isa::kAvxVnni);
constexpr MatmulFamily kAvx512VnniFamily = panel_family<PanelVnni<Avx512Vnni>>(
    "x64_panel_avx512vnni", "panel_avx512vnni", Isa::kAvx512Vnni, {LayoutId::kTl2, LayoutId::kB3});

}  // namespace
}  // namespace x64::panel_vnni

std::unique_ptr<Generator> make_x64_panel_avxvnni() {
  return x64::make_matmul_generator(x64::panel_vnni::kAvxVnniFamily);
}

std::unique_ptr<Generator> make_x64_panel_avx512vnni() {
  return x64::make_matmul_generator(x64::panel_vnni::kAvx512VnniFamily);
}

}  // namespace bitnetc
