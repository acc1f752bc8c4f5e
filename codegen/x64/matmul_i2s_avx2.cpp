// matmul_i2s_avx2.cpp     i2_s matrix products, M = 1..8, AVX2: vpmaddubsw into int16 lanes
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^21
// Tile       M = 1      1 or 2 tiles of 16 rows
//            M = 2..4   1 tile
//            M = 5..8   1 tile, in two passes of 8 rows
//            ymm: 8 int16 accumulators + 2 masks + 4 codes or planes + activations + product = 16
// Work       vector ALU operations for 128 weights (32 bytes); decoding is shared by the tokens
//            M <= 2: 1 shift + 4 and + M * (4 vpmaddubsw + 4 vpaddw)     13 at M = 1
//            M >= 3: 3 shift + 4 and + M * (4 vpmaddubsw + 4 vpaddw)     scales() == 1
// Exactness  A pair of products is in [2*2*(-128), 2*2*127] = [-512, 508] times its scale, so
//            vpmaddubsw does not saturate. After c blocks an int16 lane is within
//              scale 1:  planes * c * [-512, 508]      scale 4:  2 planes * c * [-2048, 2032]
//            Two scales: scale 4 has [-32768, 32512] at c = 8, which fits; c = 9 would not.
//            One scale: all 4 planes meet in a lane, [-32768, 32512] at c = 16.
//            The bounds hold after every addition, in any order. An int32 lane holds at most
//            4 * 2*128*K in magnitude: K < 2^21.
// Layout     docs/layouts/i2_s.md          Reference  codegen/reference/matmul.cpp
#include <algorithm>

#include "codegen/x64/emit/i2s_planes.h"
#include "codegen/x64/matmul_direct.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::matmul_i2s_avx2 {
namespace {

using Xbyak::Xmm;

constexpr int kParts = 2;  // ymm halves of a block: rows 0-7 and 8-15
constexpr int kMaxTiles = 2;
constexpr int64_t kKLimit = int64_t{1} << 21;

constexpr int kAccumulators = 8;
constexpr int kWidenedScales = 2;
constexpr int kTierScratchBytes = 64;

// Beyond four tokens a pass takes half the rows, so that each code is still decoded once only.
int parts_per_pass(const MatmulSpec& spec) {
  return spec.m <= 4 ? kParts : kParts / 2;
}

int scales(const MatmulSpec& spec) {
  return spec.m <= 2 ? 2 : 1;
}

class MatmulI2sAvx2 final : public MatmulDirect {
 public:
  MatmulI2sAvx2(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulDirect(kYmmFile, spec, plan, parts_per_pass(spec), kTierScratchBytes),
        planes_(scales(spec)),
        blocks_per_run_(planes_.scales() == 2 ? 8 : 16) {}

 private:
  // Register map.
  Xmm acc(const Pass& pass, int tile, int token, int part, int scale) const {  // i16x16 row pairs
    return vec(((tile * spec_.m + token) * pass.parts + part) * planes_.scales() + scale);
  }
  Xmm mask(int scale) const { return vec(kAccumulators + scale); }
  Xmm bytes(int tile, int part) const { return vec(10 + tile * kParts + part); }
  Xmm plane(int part) const { return vec(12 + part); }  // only with one tile
  Xmm x() const { return vec(14); }                     // four activations, in every dword
  Xmm product() const { return vec(15); }

  // i16x16 of 4^(top scale - scale), in the scratch: brings sums of all scales to the top scale's.
  Xbyak::Address widening_factors(int scale) const {
    return ptr[tier_scratch() + (planes_.scales() - 1 - scale) * kYmmFile.bytes];
  }

  void load_constants() override {
    for (int scale = 0; scale < planes_.scales(); ++scale)
      broadcast(mask(scale), I2sPlanes::mask(scale));
    for (int power = 0; power < kWidenedScales; ++power) {
      broadcast(product(), 0x00010001U << (2 * power));
      vmovdqa(ptr[tier_scratch() + power * kYmmFile.bytes], product());
    }
  }

  void begin(const Pass& pass) override {
    vpxor(product(), product(), product());
    for_each_sum(pass, [&](int tile, int token, int part) {
      vmovdqa(sums(pass, tile, token, part), product());
    });
  }

  void blocks(const Pass& pass, int count) override {
    for (int done = 0; done < count; done += blocks_per_run_) {
      const int run = std::min(blocks_per_run_, count - done);
      for (int block = 0; block < run; ++block) accumulate_block(pass, done + block, block == 0);
      widen(pass);
    }
  }

  // With one token a plane is used once and may be overwritten by its product.
  void accumulate_block(const Pass& pass, int block, bool first_of_run) {
    prefetch(pass, block);
    for (int tile = 0; tile < pass.tiles; ++tile)
      for (int part = 0; part < pass.parts; ++part)
        vmovdqu(bytes(tile, part), ptr[codes(pass, tile, part, block)]);
    for (int p = 0; p < I2sPlanes::kCount; ++p) {
      const bool overwrite = first_of_run && p < planes_.scales();
      shift_bytes(pass, p);
      if (spec_.m == 1) {
        accumulate_one_token(pass, block, p, overwrite);
      } else {
        accumulate_tokens(pass, block, p, overwrite);
      }
    }
  }

  void shift_bytes(const Pass& pass, int p) {
    if (planes_.shift_before(p) == 0) return;
    for (int tile = 0; tile < pass.tiles; ++tile)
      for (int part = 0; part < pass.parts; ++part)
        vpsrlw(bytes(tile, part), bytes(tile, part), static_cast<uint8_t>(planes_.shift_before(p)));
  }

  void accumulate_one_token(const Pass& pass, int block, int p, bool overwrite) {
    const int scale = planes_.scale_of(p);
    vpbroadcastd(x(), ptr[activations(0, block, p)]);
    for (int tile = 0; tile < pass.tiles; ++tile) {
      for (int part = 0; part < pass.parts; ++part) {
        vpand(product(), bytes(tile, part), mask(scale));
        multiply_add(acc(pass, tile, 0, part, scale), product(), overwrite);
      }
    }
  }

  void accumulate_tokens(const Pass& pass, int block, int p, bool overwrite) {
    const int scale = planes_.scale_of(p);
    for (int part = 0; part < pass.parts; ++part) vpand(plane(part), bytes(0, part), mask(scale));
    for (int token = 0; token < spec_.m; ++token) {
      vpbroadcastd(x(), ptr[activations(token, block, p)]);
      for (int part = 0; part < pass.parts; ++part)
        multiply_add(acc(pass, 0, token, part, scale), plane(part), overwrite);
    }
  }

  // The first product of a run replaces what the accumulator held.
  void multiply_add(const Xmm& sum, const Xmm& plane_codes, bool overwrite) {
    if (overwrite) {
      vpmaddubsw(sum, plane_codes, x());
    } else {
      vpmaddubsw(product(), plane_codes, x());
      vpaddw(sum, sum, product());
    }
  }

  // Row pairs i16 -> rows i32, all scales brought to the top one, added to the scratch.
  void widen(const Pass& pass) {
    for_each_sum(pass, [&](int tile, int token, int part) {
      const Xbyak::Address total = sums(pass, tile, token, part);
      for (int scale = 0; scale < planes_.scales(); ++scale) {
        const Xmm low = acc(pass, tile, token, part, scale);
        vpmaddwd(low, low, widening_factors(scale));
      }
      const Xmm sum = acc(pass, tile, token, part, 0);
      if (planes_.scales() == 2) vpaddd(sum, sum, acc(pass, tile, token, part, 1));
      vpaddd(sum, sum, total);
      vmovdqa(total, sum);
    });
  }

  void end(const Pass& pass) override {
    if (planes_.scales() == 1) return;
    for_each_sum(pass, [&](int tile, int token, int part) {
      const Xbyak::Address total = sums(pass, tile, token, part);
      vmovdqa(product(), total);
      vpsrad(product(), product(), I2sPlanes::log2_of_scale(1));
      vmovdqa(total, product());
    });
  }

  template <typename Body>
  void for_each_sum(const Pass& pass, Body body) {
    for (int tile = 0; tile < pass.tiles; ++tile)
      for (int token = 0; token < spec_.m; ++token)
        for (int part = 0; part < pass.parts; ++part) body(tile, token, part);
  }

  const I2sPlanes planes_;
  const int blocks_per_run_;  // before int16 lanes must be widened
};

Status accepts(const MatmulSpec& spec, const KernelPlan& plan) {
  const int tiles = DirectPlan::from(plan).tiles_per_step;
  const int max_tiles = spec.m == 1 ? kMaxTiles : 1;
  if (tiles <= max_tiles) return {};
  return make_error(StatusCode::kUnsupported,
                    "tiles_per_step = {} with m = {}: 16 ymm registers hold the accumulators of {}",
                    tiles, spec.m, max_tiles);
}

MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
  // vpaddw takes one cycle: sums need not take turns.
  return direct_work(spec, plan, tokens,
                     i2s_operations_per_weight(kYmmFile, I2sPlanes(scales(spec))), 0);
}

constexpr MatmulFamily kFamily{.name = "x64_matmul_i2s_avx2",
                               .suffix = "avx2",
                               .isa = Isa::kAvx2,
                               .revision = 4,
                               .layouts = {LayoutId::kI2S},
                               .min_m = 1,
                               .max_m = kMaxSmallM,
                               .k_limit = kKLimit,
                               .accepts = accepts,
                               .program = make_program<MatmulI2sAvx2>,
                               .work = work};

}  // namespace
}  // namespace x64::matmul_i2s_avx2

std::unique_ptr<Generator> make_x64_matmul_i2s_avx2() {
  return x64::make_matmul_generator(x64::matmul_i2s_avx2::kFamily);
}

}  // namespace bitnetc
