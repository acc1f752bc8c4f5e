// panel_avx2.cpp     matrix products for any number of tokens, AVX2: vpmaddubsw into int16 lanes
//
// Shapes     MatmulArgs, m = 1..256; any N % 16 == 0, any K < 2^23
// Tile       1 tile of 16 rows (two ymm) x 6 tokens:
//            12 accumulators + 2 codes + activations + product = 16 ymm
// Work       a group, that is 4 columns of a tile for 6 tokens: 12 vpmaddubsw + 12 vpaddw, 2 loads,
//            6 broadcasts; once per chunk 12 vpmaddwd + 12 vpaddd for up to 64 groups
// Exactness  A pair of products is in [2*2*(-128), 2*2*127] = [-512, 508], so vpmaddubsw does not
//            saturate. A chunk has at most 256 columns whatever the plan asks, 64 groups, one pair
//            per lane: a lane is in [-32768, 32512]. An int32 lane is within 2*128*K: K < 2^23.
// Layout     any with a panel decoder          Reference  codegen/reference/matmul.cpp
#include "codegen/x64/panel/panel_vectors.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::panel_avx2 {
namespace {

using Xbyak::Xmm;

constexpr int kWidenedColumns = 256;  // what int16 lanes hold
constexpr int kBlocks[] = {128, kWidenedColumns};

class PanelAvx2 final : public PanelVectorMatmul {
 public:
  // A plan made for a wider tier may ask for more columns than int16 lanes hold.
  static constexpr PanelLimits kLimits{.max_block_k = 2048,
                                       .max_tokens = 6,
                                       .own_block_k = kWidenedColumns,
                                       .most_columns = kWidenedColumns};
  static constexpr PlanField kFields[] = {tiles_field(kPanelTiles), unroll_field(kPanelUnrolls),
                                          prefetch_field(kPanelPrefetches), block_field(kBlocks),
                                          tokens_field(kPanelTokens)};

  static MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
    // vpaddw takes one cycle, and two instructions per product leave time to load.
    return panel_work(kYmmFile, spec, plan, kLimits, tokens);
  }

  PanelAvx2(const MatmulSpec& spec, const KernelPlan& plan)
      : PanelVectorMatmul(kYmmFile, spec, plan, kLimits, 1) {}

 private:
  Xmm product() const { return vec(15); }
  Xmm ones() const { return vec(14); }  // i16x16; holds no accumulator, see Tile

  void dot(const Xmm& sum, const Xmm& codes, const Xmm& x) override {
    vpmaddubsw(product(), codes, x);
    vpaddw(sum, sum, product());
  }

  // Accumulators are i16 pairs of a row.
  void start(const PanelPass& pass) override {
    for_each_accumulator(pass, [&](int token, int vector) { zero(acc(pass, token, vector)); });
  }

  // Row pairs i16 -> rows i32, added to the sums.
  void finish(const PanelPass& pass) override {
    vpcmpeqw(ones(), ones(), ones());
    vpsrlw(ones(), ones(), 15);
    for_each_accumulator(pass, [&](int token, int vector) {
      const Xmm sum = acc(pass, token, vector);
      vpmaddwd(sum, sum, ones());
    });
    if_first_chunk([] {},
                   [&] {
                     for_each_accumulator(pass, [&](int token, int vector) {
                       const Xmm sum = acc(pass, token, vector);
                       vpaddd(sum, sum, sums_of(pass, token, vector));
                     });
                   });
    PanelVectorMatmul::finish(pass);
  }
};

constexpr MatmulFamily kFamily =
    panel_family<PanelAvx2>("x64_panel_avx2", "panel_avx2", Isa::kAvx2);

}  // namespace
}  // namespace x64::panel_avx2

std::unique_ptr<Generator> make_x64_panel_avx2() {
  return x64::make_matmul_generator(x64::panel_avx2::kFamily);
}

}  // namespace bitnetc
