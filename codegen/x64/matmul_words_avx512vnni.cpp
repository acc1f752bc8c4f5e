// matmul_words_avx512vnni.cpp     tl1, tl2 and b3 matrix products, M = 1..8, AVX-512 VNNI
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19
// Tile       one zmm; 1, 2, 4 or 8 tiles with tiles * M <= 16 accumulators
//            zmm: 15 of the decoder's (decode/panel_decoder.h, GroupDecoder) + activations + 16
//            accumulators = 32. Accumulators left over make up to 4 chains of a sum, so that
//            vpdpbusd, which takes 4 or 5 cycles and starts twice in one, does not wait for itself.
// Work       a group of 4 columns of 16 rows: its share of decoding (vector operations: tl1 2, tl2
//            2.1, b3 3.6) and M vpdpbusd. Tiles go in pairs: a load broadcasts 4 activations of a
//            token for both. An odd tile has its vpdpbusd broadcast them.
// Order      Groups are prepared a stage ahead, before the products of the stage that is at hand.
//            The processor starts what is ready and oldest: the multiplications of b3, which share
//            their ports with vpdpbusd, would start after all earlier products, which then would
//            not cover their latency. AMD EPYC Zen 5, M = 8, weights from memory: b3 42 G weights/s
//            without, 47 with; tl1 and tl2, whose preparation has ports of its own, 59 and 59.
// Exactness  vpdpbusd does not saturate; a product of four columns is within 4 * 2 * 128 = 2^10,
//            and K / 4 of them join a sum: 2^8 * K < 2^31 for K < 2^19
// Layout     docs/layouts/tl1.md, tl2.md, b3.md      Reference  codegen/reference/matmul.cpp
#include <algorithm>
#include <vector>

#include "codegen/x64/decode/panel_decoder.h"
#include "codegen/x64/matmul_direct.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::matmul_words_avx512vnni {
namespace {

using Xbyak::Zmm;

constexpr int kAccumulators = 16;
constexpr int kMostChains = 4;
constexpr int64_t kKLimit = int64_t{1} << 19;

// Accumulators of a sum; groups take turns.
int chains(int tiles, int tokens) {
  return std::min(kMostChains, kAccumulators / (tiles * tokens));
}

class MatmulWordsAvx512Vnni final : public MatmulDirect {
 public:
  MatmulWordsAvx512Vnni(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulDirect(kZmmFile, spec, plan, 1, 0), decoder_(make_group_decoder(spec.layout)) {}

 private:
  int chains(const Pass& pass) const {
    return matmul_words_avx512vnni::chains(pass.tiles, spec_.m);
  }
  Zmm acc(const Pass& pass, int tile, int token, int chain) const {  // i32x16
    return Zmm(kFirstAccumulator + (tile * spec_.m + token) * chains(pass) + chain);
  }
  static constexpr int kLanes = GroupDecoder::kLanes;

  void load_constants() override { decoder_->load_constants(*this); }
  void emit_data() override {
    MatmulDirect::emit_data();
    decoder_->emit_data(*this);
  }

  void begin(const Pass& pass) override {
    for (int i = 0; i < pass.tiles * spec_.m * chains(pass); ++i)
      vpxord(Zmm(kFirstAccumulator + i), Zmm(kFirstAccumulator + i), Zmm(kFirstAccumulator + i));
  }

  void blocks(const Pass& pass, int count) override {
    multiply_blocks(pass, 0, count, groups_per_block());
  }

  void cut_block(const Pass& pass, int block, int groups) override {
    multiply_blocks(pass, block, 1, groups);
  }

  // What is prepared together: a stage of a block, for the tiles from `tile` on that have a lane
  // each.
  struct Piece {
    int block, tile, lanes, stage, turn;
  };

  std::vector<Piece> pieces(const Pass& pass, int first_block, int blocks, int groups) const {
    std::vector<Piece> pieces;
    const auto stages = static_cast<int>(decoder_->stages().size());
    for (int block = first_block; block < first_block + blocks; ++block) {
      for (int tile = 0; tile < pass.tiles; tile += kLanes) {
        const int lanes = std::min(kLanes, pass.tiles - tile);
        for (int stage = 0; stage < stages; ++stage) {
          if (decoder_->stages()[static_cast<size_t>(stage)].begin >= groups) continue;
          pieces.push_back({block, tile, lanes, stage, static_cast<int>(pieces.size() % 2)});
        }
      }
    }
    return pieces;
  }

  // The first `groups` groups of every block.
  void multiply_blocks(const Pass& pass, int first_block, int blocks, int groups) {
    const std::vector<Piece> all = pieces(pass, first_block, blocks, groups);
    prepare(pass, all.front());
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].tile == 0 && all[i].stage == 0) prefetch(pass, all[i].block);
      if (i + 1 < all.size()) prepare(pass, all[i + 1]);
      multiply(pass, all[i], groups);
    }
  }

  void prepare(const Pass& pass, const Piece& piece) {
    for (int lane = 0; lane < piece.lanes; ++lane)
      decoder_->prepare(*this, codes(pass, piece.tile + lane, 0, piece.block), lane, piece.stage,
                        piece.turn);
  }

  void multiply(const Pass& pass, const Piece& piece, int groups) {
    const auto [begin, end] = decoder_->stages()[static_cast<size_t>(piece.stage)];
    for (int group = begin; group < std::min(end, groups); ++group) {
      std::vector<Zmm> codes;
      for (int lane = 0; lane < piece.lanes; ++lane)
        codes.push_back(decoder_->look_up(*this, lane, group, piece.turn));
      for (int token = 0; token < spec_.m; ++token) dot(pass, piece, group, codes, token);
    }
  }

  void dot(const Pass& pass, const Piece& piece, int group, const std::vector<Zmm>& codes,
           int token) {
    const int chain = (piece.block * groups_per_block() + group) % chains(pass);
    const Xbyak::RegExp x = activations(token, piece.block, group);
    const bool is_shared = codes.size() > 1;
    if (is_shared) vpbroadcastd(x_, ptr[x]);
    for (size_t lane = 0; lane < codes.size(); ++lane) {
      const Zmm sum = acc(pass, piece.tile + static_cast<int>(lane), token, chain);
      if (is_shared) {
        vpdpbusd(sum, codes[lane], x_, Xbyak::EvexEncoding);
      } else {
        vpdpbusd(sum, codes[lane], ptr_b[x], Xbyak::EvexEncoding);
      }
    }
  }

  void end(const Pass& pass) override {
    for (int tile = 0; tile < pass.tiles; ++tile) {
      for (int token = 0; token < spec_.m; ++token) {
        const Zmm sum = acc(pass, tile, token, 0);
        for (int chain = 1; chain < chains(pass); ++chain)
          vpaddd(sum, sum, acc(pass, tile, token, chain));
        vmovdqa64(sums(pass, tile, token, 0), sum);
      }
    }
  }

  static constexpr int kFirstAccumulator = GroupDecoder::kRegisters + 1;
  const Zmm x_{GroupDecoder::kRegisters};
  const std::unique_ptr<GroupDecoder> decoder_;
};

Status accepts(const MatmulSpec& spec, const KernelPlan& plan) {
  const int tiles = DirectPlan::from(plan).tiles_per_step;
  if (tiles * spec.m <= kAccumulators) return {};
  return make_error(StatusCode::kUnsupported, "tiles_per_step = {} with m = {}: {} accumulators",
                    tiles, spec.m, kAccumulators);
}

MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
  const int tiles = DirectPlan::from(plan).tiles_per_step, sums = tiles * spec.m;
  return direct_work(spec, plan, tokens, make_group_decoder(spec.layout)->operations_per_weight(),
                     sums * chains(tiles, spec.m));
}

constexpr MatmulFamily kFamily{.name = "x64_matmul_words_avx512vnni",
                               .suffix = "words_avx512vnni",
                               .isa = Isa::kAvx512Vnni,
                               .revision = 4,
                               .layouts = {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3},
                               .vbmi_layouts = {LayoutId::kTl2, LayoutId::kB3},
                               .min_m = 1,
                               .max_m = kMaxSmallM,
                               .k_limit = kKLimit,
                               .accepts = accepts,
                               .program = make_program<MatmulWordsAvx512Vnni>,
                               .work = work};

}  // namespace
}  // namespace x64::matmul_words_avx512vnni

std::unique_ptr<Generator> make_x64_matmul_words_avx512vnni() {
  return x64::make_matmul_generator(x64::matmul_words_avx512vnni::kFamily);
}

}  // namespace bitnetc
