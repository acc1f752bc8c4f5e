// matmul_words_avx2.cpp     tl1, tl2 matrix products, M = 1..4, AVX2: vpmaddubsw into int16 lanes
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^23
// Tile       one; a ymm has two columns of all 16 rows, a word each (YmmRows::kAsWordColumns), so
//            that a sum is one register and rows stay in order. ymm: up to 8 accumulators +
//            activations + decoder = 16
// Work       a group of 4 columns: its share of decoding (decode/*.cpp) and, for each token, 2
//            broadcasts of a word, 2 vpmaddubsw, 2 vpaddw. vpbroadcastw from memory is a load and
//            nothing else on AMD's cores;
//            on Intel's it shuffles too.
// Exactness  A pair of products is in [2*2*(-128), 2*2*127] = [-512, 508], so vpmaddubsw does not
//            saturate. All chains of a sum together take 64 pairs at most before they are added and
//            widened: int16 lanes are in [-32768, 32512]. An int32 lane is within 2*128*K: K <
//            2^23.
// Layout     docs/layouts/tl1.md, tl2.md      Reference  codegen/reference/matmul.cpp
#include <algorithm>

#include "codegen/x64/matmul_words_ymm.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::matmul_words_avx2 {
namespace {

using Xbyak::Ymm;

constexpr int kMostTokens = 4;
constexpr int kMostPairs = 64;  // what an int16 lane holds
constexpr int kMostUnroll = 8;  // an iteration has as many: 8 * 16 / 2
constexpr int64_t kKLimit = int64_t{1} << 23;

// Accumulators of a sum, which pairs of columns take in turn: fewer would wait for vpaddw.
int chains(const MatmulSpec& spec) {
  return spec.m == 1 ? 4 : 2;
}

int accumulators(const MatmulSpec& spec) {
  return static_cast<int>(spec.m) * chains(spec);
}

KernelPlan with_short_iterations(const KernelPlan& plan) {
  DirectPlan direct = DirectPlan::from(plan);
  direct.k_unroll = std::min(direct.k_unroll, kMostUnroll);
  return direct;
}

YmmDecoderUse decoder_use(const MatmulSpec& spec) {
  return {.first_register = accumulators(spec) + 1, .rows = YmmRows::kAsWordColumns};
}

class MatmulWordsAvx2 final : public MatmulWordsYmm {
 public:
  MatmulWordsAvx2(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulWordsYmm(spec, with_short_iterations(plan), decoder_use(spec)),
        chains_(chains(spec)) {}

 private:
  Ymm acc(int token, int chain) const { return Ymm(token * chains_ + chain); }  // i16x16, by row
  Ymm x() const { return Ymm(accumulators(spec_)); }  // two activations, then their products
  const Xbyak::Reg32 iterations_left_ = eax;

  void begin(const Pass& pass) override {
    MatmulWordsYmm::begin(pass);
    vpxor(x(), x(), x());
    for (int token = 0; token < spec_.m; ++token)
      for (int part = 0; part < kYmmParts; ++part) vmovdqa(sums(pass, 0, token, part), x());
    begin_run();
  }

  void begin_run() {
    const int pairs = kYmmParts * groups_per_block() * blocks_per_iteration();
    mov(iterations_left_, kMostPairs / pairs);
    for (int i = 0; i < accumulators(spec_); ++i) vpxor(Ymm(i), Ymm(i), Ymm(i));
  }

  void multiply(int block, int group, const Ymm& part0, const Ymm& part1) override {
    for (int part = 0; part < kYmmParts; ++part) {
      for (int token = 0; token < spec_.m; ++token) {
        const Ymm sum = acc(token, (kYmmParts * group + part) % chains_);
        vpbroadcastw(x(), ptr[activations(token, block, group) + kYmmParts * part]);
        vpmaddubsw(x(), part == 0 ? part0 : part1, x());
        vpaddw(sum, sum, x());
      }
    }
  }

  // A cut block may follow: it is no longer than an iteration.
  void end_iteration(const Pass& pass) override {
    Xbyak::Label next;
    dec(iterations_left_);
    jnz(next, T_NEAR);
    widen(pass);
    begin_run();
    L(next);
  }

  void end(const Pass& pass) override { widen(pass); }

  // Rows i16 -> rows i32, added to the sums in memory.
  void widen(const Pass& pass) {
    for (int token = 0; token < spec_.m; ++token) {
      const Ymm sum = acc(token, 0);
      const Xbyak::Xmm rows(sum.getIdx());
      for (int chain = 1; chain < chains_; ++chain) vpaddw(sum, sum, acc(token, chain));
      for (int part = 0; part < kYmmParts; ++part) {
        const Xbyak::Address total = sums(pass, 0, token, part);
        if (part == 1) vextracti128(rows, sum, 1);
        vpmovsxwd(x(), rows);
        vpaddd(x(), x(), total);
        vmovdqa(total, x());
      }
    }
  }

  const int chains_;
};

Status accepts(const MatmulSpec&, const KernelPlan& plan) {
  return accept_one_tile(plan);
}

MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
  // vpaddw takes one cycle, and the chains of a sum suffice for it.
  const auto decoder = make_ymm_group_decoder(spec.layout, decoder_use(spec));
  return direct_work(spec, plan, tokens, decoder->operations_per_weight(), 0);
}

constexpr MatmulFamily kFamily{.name = "x64_matmul_words_avx2",
                               .suffix = "words_avx2",
                               .isa = Isa::kAvx2,
                               .revision = 3,
                               .layouts = {LayoutId::kTl1, LayoutId::kTl2},
                               .min_m = 1,
                               .max_m = kMostTokens,
                               .k_limit = kKLimit,
                               .accepts = accepts,
                               .program = make_program<MatmulWordsAvx2>,
                               .work = work};

}  // namespace
}  // namespace x64::matmul_words_avx2

std::unique_ptr<Generator> make_x64_matmul_words_avx2() {
  return x64::make_matmul_generator(x64::matmul_words_avx2::kFamily);
}

}  // namespace bitnetc
