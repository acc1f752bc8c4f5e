// matmul_i2s_vnni.cpp     i2_s matrix products, M = 1..8, AVX-VNNI and AVX-512 VNNI: vpdpbusd
//
// vpdpbusd multiplies four unsigned codes with four signed activations and adds the products to an
// int32 lane, one lane per output row.
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19
// Tile, AVX-VNNI
//            two ymm, rows 0-7 and 8-15, that share each broadcast of activations
//            M = 1      1 tile, 4 scales: 8 accumulators + 4 masks + 2 codes + plane + x = 16 ymm;
//                       or 2 tiles, 2 scales
//            M = 2      1 tile, 2 scales          M = 3..5   1 tile, 1 scale
//            M = 6..8   1 tile, 1 scale, in two passes of 8 rows
// Tile, AVX-512
//            one zmm; 1, 2 or 4 tiles while accumulators, masks, codes and planes fit in 32 zmm
//            M = 1, 4 tiles, 4 scales: 16 accumulators + 4 masks + 4 codes + plane + x = 26
//            One tile lets the dot products broadcast the activations; more tiles share a load of
//            them. One tile at M = 1 has 4 sums, which would wait for vpdpbusd's 4 or 5 cycles:
//            blocks take turns on 8. Then its 5 loads per block are the limit, 2.5 cycles; four
//            tiles need 1.5.
//            Zen 5, weights in L2: 269 G weights/s with 4 sums, 410 with 8; four tiles 507.
// Work       vector ALU operations per vector of bytes: 4 and + M * 4 vpdpbusd, and no shift while
//            registers suffice for four accumulators per sum; else 1 or 3 (emit/i2s_planes.h)
// Exactness  vpdpbusd does not saturate. A scale-64 product of four columns is at most
//            4 * 128*128 = 2^16 in magnitude and one joins a lane every 16 columns: 2^12 * K < 2^31
//            for K < 2^19. Sums of scaled products are multiples of their scale, so the final
//            shifts are exact.
// Layout     docs/layouts/i2_s.md          Reference  codegen/reference/matmul.cpp
#include <algorithm>

#include "codegen/x64/emit/bitwise.h"
#include "codegen/x64/emit/i2s_planes.h"
#include "codegen/x64/emit/vnni_tier.h"
#include "codegen/x64/matmul_direct.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64::matmul_i2s_vnni {
namespace {

using Xbyak::Xmm;

constexpr int64_t kKLimit = int64_t{1} << 19;
// vpdpbusd takes four or five cycles and two start in a cycle: fewer sums than this wait for each
// other.
constexpr int kBusyChains = 8;

// How the vector registers are shared out. Accumulators come first, then masks, codes, planes and
// the activations.
struct Registers {
  int tiles, tokens, parts;  // one pass
  int scales;                // accumulators per sum
  int chains = 1;            // of each of those: blocks take turns

  int codes() const { return tiles * parts; }
  // One token uses a plane once; more tokens need the planes of all codes at the same time.
  int planes() const { return tokens == 1 ? 1 : codes(); }
  int accumulators() const { return codes() * tokens * scales * chains; }
  int kept() const { return accumulators() + scales; }  // the epilogue must leave the masks alone
  int count() const { return kept() + std::max(codes() + planes() + 1, kEpilogueVectors); }
};

// Whole tiles if they fit, else half tiles; most scales first; two chains where one would leave
// vpdpbusd waiting for itself. `scales` is 0 if nothing fits.
Registers choose_registers(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan) {
  const DirectPlan direct = DirectPlan::from(plan);
  const int parts_per_tile = kTileOutputBytes / vectors.bytes;
  Registers registers{.tiles = direct.tiles_per_step, .tokens = spec.m, .parts = 0, .scales = 0};
  for (registers.parts = parts_per_tile; registers.parts >= 1; registers.parts /= 2) {
    for (registers.scales = I2sPlanes::kCount; registers.scales >= 1; registers.scales /= 2) {
      if (registers.count() > vectors.count) continue;
      Registers doubled = registers;
      doubled.chains = 2;
      const bool waits = registers.accumulators() < kBusyChains && direct.k_unroll % 2 == 0;
      return waits && doubled.count() <= vectors.count ? doubled : registers;
    }
  }
  registers.scales = 0;
  return registers;
}

// The refusal, with its numbers, when nothing fits.
Status check_registers(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan) {
  if (choose_registers(vectors, spec, plan).scales > 0) return {};
  const int tiles = DirectPlan::from(plan).tiles_per_step;
  const Registers least{.tiles = tiles, .tokens = spec.m, .parts = 1, .scales = 1};
  return make_error(StatusCode::kUnsupported,
                    "tiles_per_step = {} with m = {} takes {} vector registers, there are {}",
                    tiles, spec.m, least.count(), vectors.count);
}

class MatmulI2sVnni final : public MatmulDirect {
 public:
  MatmulI2sVnni(const VnniTier& tier, const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulDirect(tier.vectors, spec, plan, choose_registers(tier.vectors, spec, plan).parts, 0),
        tier_(tier),
        registers_(choose_registers(tier.vectors, spec, plan)),
        planes_(registers_.scales) {}

 private:
  // Register map; the remainder loop runs it with fewer tiles.
  Xmm acc(int tile, int part, int token, int scale, int chain) const;
  Xmm mask(int scale) const { return vec(registers_.accumulators() + scale); }
  Xmm bytes(int tile, int part) const;
  Xmm plane(int tile, int part) const;
  Xmm x() const { return vec(registers_.kept() + registers_.codes() + registers_.planes()); }

  void load_constants() override;
  void begin(const Pass& pass) override;
  void blocks(const Pass& pass, int count) override;
  void end(const Pass& pass) override;

  void block(const Pass& pass, int block);
  void decode_and_dot(const Pass& pass, int block, int p);
  void decode_then_dot(const Pass& pass, int block, int p);
  void decode(int tile, int part, int p);
  void dot_token(const Pass& pass, int tile, int part, int token, int block, int p);
  int chain_of(int block) const { return block % registers_.chains; }
  // An activation that only one vector needs is broadcast by the dot product itself.
  bool dots_from_memory(const Pass& pass) const {
    return tier_.dot_broadcasts() && pass.tiles * pass.parts == 1;
  }
  void reduce(int tile, int part, int token);

  template <typename Body>
  void for_each_vector(const Pass& pass, Body body) {
    for (int tile = 0; tile < pass.tiles; ++tile)
      for (int part = 0; part < pass.parts; ++part) body(tile, part);
  }

  const VnniTier tier_;
  const Registers registers_;
  const I2sPlanes planes_;
};

// ---- register map

Xmm MatmulI2sVnni::acc(int tile, int part, int token, int scale, int chain) const {
  const int sum = (tile * registers_.parts + part) * registers_.tokens + token;
  return vec((sum * registers_.scales + scale) * registers_.chains + chain);
}

Xmm MatmulI2sVnni::bytes(int tile, int part) const {
  return vec(registers_.kept() + tile * registers_.parts + part);
}

Xmm MatmulI2sVnni::plane(int tile, int part) const {
  const int first = registers_.kept() + registers_.codes();
  return vec(first + (registers_.planes() == 1 ? 0 : tile * registers_.parts + part));
}

// ---- microkernel

void MatmulI2sVnni::load_constants() {
  for (int scale = 0; scale < planes_.scales(); ++scale)
    broadcast(mask(scale), I2sPlanes::mask(scale));
}

void MatmulI2sVnni::begin(const Pass& pass) {
  for_each_vector(pass, [&](int tile, int part) {
    for (int token = 0; token < spec_.m; ++token) {
      for (int scale = 0; scale < planes_.scales(); ++scale) {
        for (int chain = 0; chain < registers_.chains; ++chain)
          set_zero(*this, acc(tile, part, token, scale, chain));
      }
    }
  });
}

void MatmulI2sVnni::blocks(const Pass& pass, int count) {
  for (int i = 0; i < count; ++i) block(pass, i);
}

void MatmulI2sVnni::block(const Pass& pass, int block) {
  prefetch(pass, block);
  for_each_vector(pass, [&](int tile, int part) {
    vmovups(bytes(tile, part), ptr[codes(pass, tile, part, block)]);
  });
  for (int p = 0; p < I2sPlanes::kCount; ++p) {
    if (const int bits = planes_.shift_before(p); bits > 0) {
      for_each_vector(pass, [&](int tile, int part) {
        vpsrlw(bytes(tile, part), bytes(tile, part), static_cast<uint8_t>(bits));
      });
    }
    if (spec_.m == 1) {
      decode_and_dot(pass, block, p);
    } else {
      decode_then_dot(pass, block, p);
    }
  }
}

// One token: each plane is used at once and its register is free again.
void MatmulI2sVnni::decode_and_dot(const Pass& pass, int block, int p) {
  if (!dots_from_memory(pass)) vpbroadcastd(x(), ptr[activations(0, block, p)]);
  for_each_vector(pass, [&](int tile, int part) {
    decode(tile, part, p);
    dot_token(pass, tile, part, 0, block, p);
  });
}

// Several tokens: the planes of all vectors stay while the tokens go by.
void MatmulI2sVnni::decode_then_dot(const Pass& pass, int block, int p) {
  for_each_vector(pass, [&](int tile, int part) { decode(tile, part, p); });
  for (int token = 0; token < spec_.m; ++token) {
    if (!dots_from_memory(pass)) vpbroadcastd(x(), ptr[activations(token, block, p)]);
    for_each_vector(pass,
                    [&](int tile, int part) { dot_token(pass, tile, part, token, block, p); });
  }
}

void MatmulI2sVnni::decode(int tile, int part, int p) {
  bitwise_and(*this, plane(tile, part), bytes(tile, part), mask(planes_.scale_of(p)));
}

void MatmulI2sVnni::dot_token(const Pass& pass, int tile, int part, int token, int block, int p) {
  const Xmm sum = acc(tile, part, token, planes_.scale_of(p), chain_of(block));
  if (dots_from_memory(pass)) {
    vpdpbusd(sum, plane(tile, part), ptr_b[activations(token, block, p)], tier_.encoding);
  } else {
    vpdpbusd(sum, plane(tile, part), x(), tier_.encoding);
  }
}

void MatmulI2sVnni::end(const Pass& pass) {
  for_each_vector(pass, [&](int tile, int part) {
    for (int token = 0; token < spec_.m; ++token) {
      reduce(tile, part, token);
      vmovups(sums(pass, tile, token, part), acc(tile, part, token, 0, 0));
    }
  });
}

// Sums of scale s are multiples of s; shifted down they add up in the first accumulator.
void MatmulI2sVnni::reduce(int tile, int part, int token) {
  const Xmm sum = acc(tile, part, token, 0, 0);
  for (int scale = 0; scale < planes_.scales(); ++scale) {
    const Xmm scaled = acc(tile, part, token, scale, 0);
    for (int chain = 1; chain < registers_.chains; ++chain)
      vpaddd(scaled, scaled, acc(tile, part, token, scale, chain));
    if (scale == 0) continue;
    vpsrad(scaled, scaled, static_cast<uint8_t>(I2sPlanes::log2_of_scale(scale)));
    vpaddd(sum, sum, scaled);
  }
}

// ---- families

template <const VnniTier& kTier>
constexpr MatmulFamily family(std::string_view name, std::string_view suffix, Isa isa,
                              int revision) {
  return {
      .name = name,
      .suffix = suffix,
      .isa = isa,
      .revision = revision,
      .layouts = {LayoutId::kI2S},
      .min_m = 1,
      .max_m = kMaxSmallM,
      .k_limit = kKLimit,
      .accepts = [](const MatmulSpec& spec,
                    const KernelPlan& plan) { return check_registers(kTier.vectors, spec, plan); },
      .program = [](const MatmulSpec& spec, const KernelPlan& plan) -> std::unique_ptr<X64Code> {
        return std::make_unique<MatmulI2sVnni>(kTier, spec, plan);
      },
      .work =
          [](const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
            const Registers registers = choose_registers(kTier.vectors, spec, plan);
            return direct_work(
                spec, plan, tokens,
                i2s_operations_per_weight(kTier.vectors, I2sPlanes(registers.scales)),
                registers.accumulators());
          }};
}

}  // namespace
}  // namespace x64::matmul_i2s_vnni

std::unique_ptr<Generator> make_x64_matmul_i2s_avxvnni() {
  return x64::make_matmul_generator(x64::matmul_i2s_vnni::family<x64::kAvxVnniTier>(
      "x64_matmul_i2s_avxvnni", "avxvnni", Isa::kAvxVnni, 4));
}

std::unique_ptr<Generator> make_x64_matmul_i2s_avx512vnni() {
  return x64::make_matmul_generator(x64::matmul_i2s_vnni::family<x64::kAvx512VnniTier>(
      "x64_matmul_i2s_avx512vnni", "avx512vnni", Isa::kAvx512Vnni, 5));
}

}  // namespace bitnetc
