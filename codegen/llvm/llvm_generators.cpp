#include "codegen/llvm/llvm_generators.h"

#include "codegen/llvm/llvm_kernels.h"

namespace bitnetc {
namespace {

Result<Kernel> own(const std::string& kernel_name, Result<LlvmCode> built) {
  BITNETC_ASSIGN_OR_RETURN(const LlvmCode made, std::move(built));
  return Kernel(kernel_name, made.entry, nullptr,
                std::shared_ptr<const void>(
                    made.code, [code = made.code](const void*) { release_llvm_code(code); }));
}

// One operation: its spec, and what builds it.
using BuildCode = Result<LlvmCode> (*)(const KernelRequest& request,
                                       const std::string& kernel_name);

template <typename Spec>
class LlvmGenerator final : public Generator {
 public:
  // `operation` is the spec's word in kernel names.
  LlvmGenerator(std::string_view name, std::string_view operation, BuildCode build_code)
      : name_(name), operation_(operation), build_code_(build_code) {}

  std::string_view name() const override { return name_; }
  std::string_view suffix() const override { return "llvm"; }
  int revision() const override { return 1; }
  Status accepts(const KernelRequest& request) const override {
    if (!std::holds_alternative<Spec>(request.spec))
      return make_error(StatusCode::kUnsupported, "makes {} only", operation_);
    return llvm_accepts(request.target);
  }
  Result<Kernel> build(const KernelRequest& request,
                       const std::string& kernel_name) const override {
    return own(kernel_name, build_code_(request, kernel_name));
  }

 private:
  const std::string_view name_, operation_;
  const BuildCode build_code_;
};

}  // namespace

std::unique_ptr<Generator> make_llvm_norm_quantize() {
  return std::make_unique<LlvmGenerator<NormQuantizeSpec>>("llvm_norm_quantize", "normquant",
                                                           build_llvm_norm_quantize);
}

std::unique_ptr<Generator> make_llvm_rms_norm() {
  return std::make_unique<LlvmGenerator<RmsNormSpec>>("llvm_rms_norm", "rmsnorm",
                                                      build_llvm_rms_norm);
}

}  // namespace bitnetc
