// The generators of the static matmul kernels: one per tier, any layout, M and epilogue.
#include <array>

#include "codegen/function_kernel.h"
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/static_generators.h"

#ifdef BITNETC_HAVE_X64

namespace bitnetc {

namespace {

using MakeKernel = Kernel (*)(std::string name, const MatmulSpec& spec);

struct Tier {
  std::string_view name, suffix;
  Isa isa;
  bool decodes_by_vbmi;                              // tl2 and b3
  std::array<MakeKernel, std::size(kLayouts)> make;  // by LayoutId
};

class StaticMatmul final : public Generator {
 public:
  explicit StaticMatmul(const Tier& tier) : tier_(tier) {}
  std::string_view name() const override { return tier_.name; }
  std::string_view suffix() const override { return tier_.suffix; }
  int revision() const override { return 1; }

  Status accepts(const KernelRequest& request) const override {
    const auto* spec = std::get_if<MatmulSpec>(&request.spec);
    if (spec == nullptr)
      return make_error(StatusCode::kUnsupported, "{} is another operation",
                        spec_name(request.spec));
    if (!request.target.supports(tier_.isa))
      return make_error(StatusCode::kUnsupported, "needs {}, the target is {}", isa_name(tier_.isa),
                        request.target.describe());
    const bool three_to_a_field = spec->layout == LayoutId::kTl2 || spec->layout == LayoutId::kB3;
    if (tier_.decodes_by_vbmi && three_to_a_field && !request.target.has_vbmi)
      return make_error(StatusCode::kUnsupported, "{} needs AVX512_VBMI, the target has none",
                        layout_name(spec->layout));
    if (spec->k >= kStaticKLimit)
      return make_error(StatusCode::kUnsupported, "K = {} is not below {}", spec->k, kStaticKLimit);
    return validate(request.spec);
  }

  Result<Kernel> build(const KernelRequest& request,
                       const std::string& kernel_name) const override {
    const auto& spec = std::get<MatmulSpec>(request.spec);
    return tier_.make[static_cast<size_t>(spec.layout)](kernel_name, spec);
  }

 private:
  const Tier tier_;
};

template <auto kFunction>
Kernel make_kernel(std::string name, const MatmulSpec& spec) {
  return make_function_kernel<kFunction>(std::move(name), spec);
}

}  // namespace

std::unique_ptr<Generator> make_static_matmul_amx() {
  return std::make_unique<StaticMatmul>(
      Tier{.name = "static_matmul_amx",
           .suffix = "static_amx",
           .isa = Isa::kAmx,
           .decodes_by_vbmi = true,
           .make = {make_kernel<matmul_i2s_amx>, make_kernel<matmul_tl1_amx>,
                    make_kernel<matmul_tl2_amx>, make_kernel<matmul_b3_amx>}});
}

std::unique_ptr<Generator> make_static_matmul_avx512vnni() {
  return std::make_unique<StaticMatmul>(
      Tier{.name = "static_matmul_avx512vnni",
           .suffix = "static_avx512vnni",
           .isa = Isa::kAvx512Vnni,
           .decodes_by_vbmi = true,
           .make = {make_kernel<matmul_i2s_avx512vnni>, make_kernel<matmul_tl1_avx512vnni>,
                    make_kernel<matmul_tl2_avx512vbmi>, make_kernel<matmul_b3_avx512vbmi>}});
}

std::unique_ptr<Generator> make_static_matmul_avxvnni() {
  return std::make_unique<StaticMatmul>(
      Tier{.name = "static_matmul_avxvnni",
           .suffix = "static_avxvnni",
           .isa = Isa::kAvxVnni,
           .decodes_by_vbmi = false,
           .make = {make_kernel<matmul_i2s_avxvnni>, make_kernel<matmul_tl1_avxvnni>,
                    make_kernel<matmul_tl2_avxvnni>, make_kernel<matmul_b3_avxvnni>}});
}

std::unique_ptr<Generator> make_static_matmul_avx2() {
  return std::make_unique<StaticMatmul>(
      Tier{.name = "static_matmul_avx2",
           .suffix = "static_avx2",
           .isa = Isa::kAvx2,
           .decodes_by_vbmi = false,
           .make = {make_kernel<matmul_i2s_avx2>, make_kernel<matmul_tl1_avx2>,
                    make_kernel<matmul_tl2_avx2>, make_kernel<matmul_b3_avx2>}});
}

}  // namespace bitnetc

#endif  // BITNETC_HAVE_X64
