// matmul_words_avx512vnni.cpp     tl1 and tl2 matrix products, M = 2..8, AVX-512 VNNI
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19
// Tile       one zmm; 1, 2, 4 or 8 tiles with tiles * M <= 16 accumulators
//            zmm: 16 accumulators + 16 of the decoder's (panel/panel_decoder.h, GroupDecoder) = 32
// Work       a group of 4 columns of 16 rows: its share of decoding (tl1 2, tl2 2.1 vector operations) and
//            M vpdpbusd, each of which broadcasts its 4 activations from memory. The codes are multiplied while
//            they are in a register; tiles follow each other, so they are decoded in turn. b3, which takes
//            3.4, is no faster here than by way of panels.
// Exactness  vpdpbusd does not saturate; a product of four columns is within 4 * 2 * 128 = 2^10, and K / 4 of them
//            join a lane: 2^8 * K < 2^31 for K < 2^19
// Layout     docs/layouts/tl1.md, tl2.md      Reference  codegen/reference/matmul.cpp
#include "codegen/x64/matmul_direct.h"
#include "codegen/x64/panel/panel_decoder.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {
namespace {

using Xbyak::Zmm;

constexpr VectorFile kZmm{.count = 32, .bytes = 64};
constexpr int kAccumulators = 16;
constexpr int64_t kKLimit = int64_t{1} << 19;

class MatmulWordsAvx512Vnni final : public MatmulDirect {
 public:
  MatmulWordsAvx512Vnni(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulDirect(kZmm, spec, plan, 1, 0), decoder_(make_group_decoder(spec.layout)) {}

 private:
  Zmm acc(int tile, int token) const { return Zmm(16 + tile * spec_.m + token); }  // i32x16

  void load_constants() override { decoder_->load_constants(*this); }
  void emit_data() override {
    MatmulDirect::emit_data();
    decoder_->emit_data(*this);
  }

  void begin(const Pass& pass) override {
    for_each_sum(pass, [&](int tile, int token) {
      vpxord(acc(tile, token), acc(tile, token), acc(tile, token));
    });
  }

  void cells(const Pass& pass, int count) override {
    for (int cell = 0; cell < count; ++cell) cut_cell(pass, cell, groups_per_cell());
  }

  void cut_cell(const Pass& pass, int cell, int groups) override {
    prefetch(pass, cell);
    for (int tile = 0; tile < pass.tiles; ++tile) {
      decoder_->decode_groups(*this, codes(pass, tile, 0, cell), [&](int group, const Zmm& four) {
        if (group < groups) multiply(tile, cell, group, four);
      });
    }
  }

  void multiply(int tile, int cell, int group, const Zmm& four_codes) {
    for (int token = 0; token < spec_.m; ++token)
      vpdpbusd(acc(tile, token), four_codes, ptr_b[activations(token, cell, group)],
               Xbyak::EvexEncoding);
  }

  void end(const Pass& pass) override {
    for_each_sum(pass, [&](int tile, int token) {
      vmovdqa64(sums(pass, tile, token, 0), acc(tile, token));
    });
  }

  template <typename Body>
  void for_each_sum(const Pass& pass, Body body) {
    for (int tile = 0; tile < pass.tiles; ++tile)
      for (int token = 0; token < spec_.m; ++token) body(tile, token);
  }

  const std::unique_ptr<GroupDecoder> decoder_;
};

Status accepts(const MatmulSpec& spec, const KernelPlan& plan) {
  if (plan.tiles_per_step * spec.m <= kAccumulators) return {};
  return make_error(StatusCode::kUnsupported, "tiles_per_step = {} with m = {}: {} accumulators",
                    plan.tiles_per_step, spec.m, kAccumulators);
}

constexpr MatmulFamily kFamily{.name = "x64_matmul_words_avx512vnni",
                               .suffix = "words_avx512vnni",
                               .isa = Isa::kAvx512Vnni,
                               .revision = 1,
                               .layouts = {LayoutId::kTl1, LayoutId::kTl2},
                               .vbmi_layouts = {LayoutId::kTl2},
                               .min_m = 2,
                               .max_m = kMaxSmallM,
                               .k_limit = kKLimit,
                               .accepts = accepts,
                               .program = make_program<MatmulWordsAvx512Vnni>};

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_matmul_words_avx512vnni() {
  return x64::make_matmul_generator(x64::kFamily);
}

}  // namespace bitnetc
