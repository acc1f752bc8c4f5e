// matmul_i2s_avxvnni.cpp     i2_s matrix products, M = 1..8, AVX-VNNI: 256-bit VEX vpdpbusd
//
// Shapes     MatmulArgs; any N % 16 == 0, any K < 2^19
// Tile       two ymm, rows 0-7 and 8-15, that share each broadcast of activations
//            M = 1      1 tile, 4 scales: 8 accumulators + 4 masks + 2 codes + plane + x = 16 ymm;
//                       or 2 tiles, 2 scales
//            M = 2      1 tile, 2 scales          M = 3..5   1 tile, 1 scale
//            M = 6..8   1 tile, 1 scale, in two passes of 8 rows
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

class MatmulI2sAvxVnni final : public MatmulI2sVnni {
 public:
  MatmulI2sAvxVnni(const MatmulSpec& spec, const KernelPlan& plan)
      : MatmulI2sVnni(kYmmFile, spec, plan) {}

 private:
  void zero(const Xmm& to) override { vpxor(to, to, to); }
  void mask_plane(const Xmm& to, const Xmm& from, const Xmm& mask) override {
    vpand(to, from, mask);
  }
  void dot(const Xmm& sum, const Xmm& codes, const Operand& activations) override {
    vpdpbusd(sum, codes, activations, Xbyak::VexEncoding);
  }
  bool dot_broadcasts() const override { return false; }
};

Status accepts(const MatmulSpec& spec, const KernelPlan& plan) {
  return check_vnni_registers(kYmmFile, spec, plan);
}

MatmulWork work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens) {
  return vnni_work(kYmmFile, spec, plan, tokens);
}

constexpr MatmulFamily kFamily{.name = "x64_matmul_i2s_avxvnni",
                               .suffix = "avxvnni",
                               .isa = Isa::kAvxVnni,
                               .revision = 3,
                               .layouts = {LayoutId::kI2S},
                               .min_m = 1,
                               .max_m = kMaxSmallM,
                               .k_limit = kVnniKLimit,
                               .accepts = accepts,
                               .program = make_program<MatmulI2sAvxVnni>,
                               .work = work};

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_matmul_i2s_avxvnni() {
  return x64::make_matmul_generator(x64::kFamily);
}

}  // namespace bitnetc
