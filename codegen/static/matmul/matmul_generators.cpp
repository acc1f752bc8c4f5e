// The generators of the static matmul kernels: one per tier, any layout, M and epilogue.
#include <array>

#include "codegen/function_kernel.h"
#include "codegen/matmul_plans.h"
#include "codegen/static/matmul/matmul_kernels.h"
#include "codegen/static/static_generators.h"

#ifdef BITNETC_HAVE_X64

namespace bitnetc {

namespace {

using MakeKernel = Kernel (*)(std::string name, const MatmulSpec& spec);

struct Tier {
  std::string_view name, suffix;
  Isa isa;
  bool decodes_by_vbmi;  // tl2 and b3
  int vector_bytes;
  // Vector instructions that decode 128 weights, by LayoutId: those that the head of the tier's
  // file counts for one token, without its dot products.
  std::array<double, std::size(kLayouts)> decode_operations;
  std::array<MakeKernel, std::size(kLayouts)> make;  // by LayoutId
};

class StaticMatmul final : public Generator {
 public:
  explicit StaticMatmul(const Tier& tier) : tier_(tier) {}
  std::string_view name() const override { return tier_.name; }
  std::string_view suffix() const override { return tier_.suffix; }
  int revision() const override { return 1; }
  GeneratorKind kind() const override { return GeneratorKind::kCompiled; }

  Status accepts(const KernelRequest& request) const override {
    const auto* spec = std::get_if<MatmulSpec>(&request.spec);
    if (spec == nullptr)
      return make_error(StatusCode::kUnsupported, "{} is another operation",
                        spec_name(request.spec));
    if (!request.target.supports(tier_.isa))
      return make_error(StatusCode::kUnsupported, "needs {}, the target is {}", isa_name(tier_.isa),
                        request.target.describe());
    const bool three_to_a_field = spec->layout == LayoutId::kTl2 || spec->layout == LayoutId::kB3;
    if (tier_.decodes_by_vbmi && three_to_a_field && !request.target.has(Feature::kAvx512Vbmi))
      return make_error(StatusCode::kUnsupported, "{} needs AVX512_VBMI, the target has none",
                        layout_name(spec->layout));
    if (spec->k >= kStaticKLimit)
      return make_error(StatusCode::kUnsupported, "K = {} is not below {}", spec->k, kStaticKLimit);
    BITNETC_RETURN_IF_ERROR(check_plan(request.plan, plan_fields(), name()));
    return validate(request.spec);
  }

  PlanFields plan_fields() const override { return kIgnoredFields; }

  std::optional<MatmulWork> work(const MatmulSpec& spec, const KernelPlan&,
                                 int64_t tokens) const override {
    const bool has_panel = spec.m == kAnyM;
    return MatmulWork{
        .strategy = has_panel ? MatmulWork::Strategy::kPanel : MatmulWork::Strategy::kDirect,
        .tier = tier_.isa,
        .passes = weight_passes(spec, tokens),
        .decode_operations = tier_.decode_operations[static_cast<size_t>(spec.layout)] / 128,
        .decode_stores = has_panel ? 1.0 / tier_.vector_bytes : 0.0,
        .multiply_operations = int8_operations(spec, tokens)};
  }

  Result<Kernel> build(const KernelRequest& request, const std::string& kernel_name,
                       const BuildSettings&) const override {
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

std::unique_ptr<Generator> make_static_matmul_avx512vnni() {
  return std::make_unique<StaticMatmul>(
      Tier{.name = "static_matmul_avx512vnni",
           .suffix = "static_avx512vnni",
           .isa = Isa::kAvx512Vnni,
           .decodes_by_vbmi = true,
           .vector_bytes = 64,
           .decode_operations = {2, 4, 3.3, 7.6},
           .make = {make_kernel<matmul_i2s_avx512vnni>, make_kernel<matmul_tl1_avx512vnni>,
                    make_kernel<matmul_tl2_avx512vbmi>, make_kernel<matmul_b3_avx512vbmi>}});
}

std::unique_ptr<Generator> make_static_matmul_avxvnni() {
  return std::make_unique<StaticMatmul>(
      Tier{.name = "static_matmul_avxvnni",
           .suffix = "static_avxvnni",
           .isa = Isa::kAvxVnni,
           .decodes_by_vbmi = false,
           .vector_bytes = 32,
           .decode_operations = {4, 8, 17, 22},
           .make = {make_kernel<matmul_i2s_avxvnni>, make_kernel<matmul_tl1_avxvnni>,
                    make_kernel<matmul_tl2_avxvnni>, make_kernel<matmul_b3_avxvnni>}});
}

std::unique_ptr<Generator> make_static_matmul_avx2() {
  return std::make_unique<StaticMatmul>(
      Tier{.name = "static_matmul_avx2",
           .suffix = "static_avx2",
           .isa = Isa::kAvx2,
           .decodes_by_vbmi = false,
           .vector_bytes = 32,
           .decode_operations = {5, 8, 19, 23},
           .make = {make_kernel<matmul_i2s_avx2>, make_kernel<matmul_tl1_avx2>,
                    make_kernel<matmul_tl2_avx2>, make_kernel<matmul_b3_avx2>}});
}

}  // namespace bitnetc

#endif  // BITNETC_HAVE_X64
