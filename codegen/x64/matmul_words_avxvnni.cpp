// matmul_words_avxvnni.cpp     tl1, tl2 and b3 matrix products, M = 1..4, AVX-VNNI
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19
// Tile       one: two ymm of a dword per row (YmmRows::kAsUnpacked), which share each broadcast of
//            activations. Sums come into order when they are stored. A sum has as many accumulators
//            as keep vpdpbusd from waiting for itself.
//            ymm: up to 8 accumulators + activations + decoder = 16
// Work       a group of 4 columns: its share of decoding (decode/*.cpp) and, for each token, 1
//            broadcast and 2 vpdpbusd. Five tokens and more need more registers than there are;
//            panels serve them.
// Exactness  vpdpbusd does not saturate; a product of four columns is within 4 * 2 * 128 = 2^10,
//            and K / 4 of them join a lane: 2^8 * K < 2^31 for K < 2^19
// Layout     docs/layouts/tl1.md, tl2.md, b3.md      Reference  codegen/reference/matmul.cpp
#include "codegen/x64/matmul_words_ymm.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::matmul_words_avxvnni {
namespace {

using Xbyak::Ymm;

constexpr int kMostTokens = 4;
constexpr int64_t kKLimit = int64_t{1} << 19;

// Accumulators of a sum, which groups of columns take in turn.
int chains(const MatmulSpec& spec) {
  if (spec.m > 2) return 1;
  if (spec.m == 2) return spec.layout == LayoutId::kB3 ? 1 : 2;
  return spec.layout == LayoutId::kTl1 ? 3 : 2;
}

int accumulators(const MatmulSpec& spec) {
  return kYmmParts * static_cast<int>(spec.m) * chains(spec);
}

YmmDecoderUse decoder_use(const MatmulSpec& spec) {
  return {.first_register = accumulators(spec) + 1, .rows = YmmRows::kAsUnpacked};
}

class MatmulWordsAvxVnni final : public MatmulWordsYmm {
 public:
  MatmulWordsAvxVnni(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulWordsYmm(spec, plan, decoder_use(spec)), chains_(chains(spec)) {}

 private:
  Ymm acc(int token, int part, int chain) const {  // i32x8
    return Ymm((token * kYmmParts + part) * chains_ + chain);
  }

  Ymm x() const { return Ymm(accumulators(spec_)); }  // four activations, in every dword

  void begin(const Pass& pass) override {
    MatmulWordsYmm::begin(pass);
    for (int i = 0; i < accumulators(spec_); ++i) vpxor(Ymm(i), Ymm(i), Ymm(i));
  }

  void multiply(int block, int group, const Ymm& part0, const Ymm& part1) override {
    const int chain = (block * groups_per_block() + group) % chains_;
    for (int token = 0; token < spec_.m; ++token) {
      vpbroadcastd(x(), ptr[activations(token, block, group)]);
      vpdpbusd(acc(token, 0, chain), part0, x(), Xbyak::VexEncoding);
      vpdpbusd(acc(token, 1, chain), part1, x(), Xbyak::VexEncoding);
    }
  }

  void end(const Pass& pass) override {
    for (int token = 0; token < spec_.m; ++token) {
      for (int part = 0; part < kYmmParts; ++part) {
        for (int chain = 1; chain < chains_; ++chain)
          vpaddd(acc(token, part, 0), acc(token, part, 0), acc(token, part, chain));
      }
      store_rows(pass, token, acc(token, 0, 0), acc(token, 1, 0));
    }
  }

  // Rows 0..3 8..11 and 4..7 12..15 in order.
  void store_rows(const Pass& pass, int token, const Ymm& part0, const Ymm& part1) {
    constexpr uint8_t kLowLanes = 0x20, kHighLanes = 0x31;
    vperm2i128(x(), part0, part1, kLowLanes);
    vperm2i128(part1, part0, part1, kHighLanes);
    vmovdqa(sums(pass, 0, token, 0), x());
    vmovdqa(sums(pass, 0, token, 1), part1);
  }

  const int chains_;
};

Status accepts(const MatmulSpec&, const KernelPlan& plan) {
  return accept_one_tile(plan);
}

MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
  const auto decoder = make_ymm_group_decoder(spec.layout, decoder_use(spec));
  return direct_work(spec, plan, tokens, decoder->operations_per_weight(), accumulators(spec));
}

constexpr MatmulFamily kFamily{.name = "x64_matmul_words_avxvnni",
                               .suffix = "words_avxvnni",
                               .isa = Isa::kAvxVnni,
                               .revision = 3,
                               .layouts = {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3},
                               .min_m = 1,
                               .max_m = kMostTokens,
                               .k_limit = kKLimit,
                               .accepts = accepts,
                               .program = make_program<MatmulWordsAvxVnni>,
                               .work = work};

}  // namespace
}  // namespace x64::matmul_words_avxvnni

std::unique_ptr<Generator> make_x64_matmul_words_avxvnni() {
  return x64::make_matmul_generator(x64::matmul_words_avxvnni::kFamily);
}

}  // namespace bitnetc
