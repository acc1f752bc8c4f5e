// matmul_i2s_avx512vnni.cpp     i2_s matrix products, M = 1..8, AVX-512 VNNI: 512-bit vpdpbusd
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19
// Tile       one zmm; 1, 2 or 4 tiles while accumulators, masks, codes and planes fit in 32 zmm
//            M = 1, 4 tiles, 4 scales: 16 accumulators + 4 masks + 4 codes + plane + x = 26
//            One tile lets the dot products broadcast the activations; more tiles share a load of
//            them. One tile at M = 1 has 4 sums, which would wait for vpdpbusd's 4 or 5 cycles: cells take
//            turns on 8. Then its 5 loads a cell are the limit, 2.5 cycles; four tiles need 1.5.
//            Zen 5, weights in L2: 269 G weights/s with 4 sums, 410 with 8; four tiles 507.
// Work, exactness   codegen/x64/matmul_i2s_vnni.h
// Layout     docs/layouts/i2_s.md          Reference  codegen/reference/matmul.cpp
#include "codegen/x64/matmul_i2s_vnni.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {
namespace {

using Xbyak::Operand;
using Xbyak::Xmm;

class MatmulI2sAvx512Vnni final : public MatmulI2sVnni {
 public:
  MatmulI2sAvx512Vnni(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulI2sVnni(kZmmFile, spec, plan) {}

 private:
  void zero(const Xmm& to) override { vpxord(to, to, to); }
  void mask_plane(const Xmm& to, const Xmm& from, const Xmm& mask) override {
    vpandd(to, from, mask);
  }
  void dot(const Xmm& sum, const Xmm& codes, const Operand& activations) override {
    vpdpbusd(sum, codes, activations, Xbyak::EvexEncoding);
  }
  bool dot_broadcasts() const override { return true; }
};

Status accepts(const MatmulSpec& spec, const KernelPlan& plan) {
  return check_vnni_registers(kZmmFile, spec, plan);
}

MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
  return vnni_work(kZmmFile, spec, plan, tokens);
}

constexpr MatmulFamily kFamily{.name = "x64_matmul_i2s_avx512vnni",
                               .suffix = "avx512vnni",
                               .isa = Isa::kAvx512Vnni,
                               .revision = 4,
                               .layouts = {LayoutId::kI2S},
                               .min_m = 1,
                               .max_m = kMaxSmallM,
                               .k_limit = kVnniKLimit,
                               .accepts = accepts,
                               .program = make_program<MatmulI2sAvx512Vnni>,
                               .work = work};

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_matmul_i2s_avx512vnni() {
  return x64::make_matmul_generator(x64::kFamily);
}

}  // namespace bitnetc
