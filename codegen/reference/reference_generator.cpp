#include "codegen/reference/reference_generator.h"

#include "codegen/function_kernel.h"
#include "codegen/matmul_plans.h"
#include "codegen/reference/reference.h"

namespace bitnetc {

namespace {

class ReferenceGenerator final : public Generator {
 public:
  std::string_view name() const override { return "reference"; }
  std::string_view suffix() const override { return "reference"; }
  int revision() const override { return 1; }
  GeneratorKind kind() const override { return GeneratorKind::kReference; }
  Status accepts(const KernelRequest& request) const override {
    if (!request.target.is_cpu())
      return make_error(StatusCode::kUnsupported, "runs on CPUs, target is {}",
                        request.target.describe());
    if (std::holds_alternative<MatmulSpec>(request.spec))
      BITNETC_RETURN_IF_ERROR(check_plan(request.plan, plan_fields(), name()));
    return validate(request.spec);
  }
  PlanFields plan_fields() const override { return kIgnoredFields; }
  Result<Kernel> build(const KernelRequest& request, const std::string& kernel_name,
                       const BuildSettings&) const override {
    return std::visit(
        [&]<typename Spec>(const Spec& spec) {
          return make_function_kernel<Operation<Spec>::kReference>(kernel_name, spec);
        },
        request.spec);
  }
};

}  // namespace

std::unique_ptr<Generator> make_reference() {
  return std::make_unique<ReferenceGenerator>();
}

}  // namespace bitnetc
