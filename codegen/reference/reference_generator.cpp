#include "codegen/reference/reference_generator.h"

#include "codegen/reference/reference.h"
#include "codegen/static/function_kernel.h"

namespace bitnetc {

namespace {

struct MakeKernel {
  const std::string& name;

  Kernel operator()(const MatmulSpec& spec) const {
    return make_function_kernel<reference::matmul>(name, spec);
  }
  Kernel operator()(const NormQuantizeSpec& spec) const {
    return make_function_kernel<reference::norm_quantize>(name, spec);
  }
  Kernel operator()(const QuantizeSpec& spec) const {
    return make_function_kernel<reference::quantize>(name, spec);
  }
  Kernel operator()(const RmsNormSpec& spec) const {
    return make_function_kernel<reference::rms_norm>(name, spec);
  }
  Kernel operator()(const RopeAppendSpec& spec) const {
    return make_function_kernel<reference::rope_append>(name, spec);
  }
  Kernel operator()(const AttentionSpec& spec) const {
    return make_function_kernel<reference::attention>(name, spec);
  }
  Kernel operator()(const EmbedSpec& spec) const {
    return make_function_kernel<reference::embed>(name, spec);
  }
  Kernel operator()(const HeadSpec& spec) const {
    return make_function_kernel<reference::head>(name, spec);
  }
  Kernel operator()(const TablesSpec& spec) const {
    return make_function_kernel<reference::build_tables>(name, spec);
  }
};

class ReferenceGenerator final : public Generator {
 public:
  std::string_view name() const override { return "reference"; }
  std::string_view suffix() const override { return "reference"; }
  int revision() const override { return 1; }
  GeneratorKind kind() const override { return GeneratorKind::kReference; }
  Status accepts(const KernelRequest& request) const override { return validate(request.spec); }
  Result<Kernel> build(const KernelRequest& request,
                       const std::string& kernel_name) const override {
    return std::visit(MakeKernel{kernel_name}, request.spec);
  }
};

}  // namespace

std::unique_ptr<Generator> make_reference() {
  return std::make_unique<ReferenceGenerator>();
}

}  // namespace bitnetc
