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

class LlvmNormQuantize final : public Generator {
 public:
  std::string_view name() const override { return "llvm_norm_quantize"; }
  std::string_view suffix() const override { return "llvm"; }
  int revision() const override { return 1; }
  Status accepts(const KernelRequest& request) const override {
    if (!std::holds_alternative<NormQuantizeSpec>(request.spec))
      return Status(StatusCode::kUnsupported, "makes normquant only");
    return llvm_accepts(request.target);
  }
  Result<Kernel> build(const KernelRequest& request,
                       const std::string& kernel_name) const override {
    return own(kernel_name, build_llvm_norm_quantize(request, kernel_name));
  }
};

class LlvmRmsNorm final : public Generator {
 public:
  std::string_view name() const override { return "llvm_rms_norm"; }
  std::string_view suffix() const override { return "llvm"; }
  int revision() const override { return 1; }
  Status accepts(const KernelRequest& request) const override {
    if (!std::holds_alternative<RmsNormSpec>(request.spec))
      return Status(StatusCode::kUnsupported, "makes rmsnorm only");
    return llvm_accepts(request.target);
  }
  Result<Kernel> build(const KernelRequest& request,
                       const std::string& kernel_name) const override {
    return own(kernel_name, build_llvm_rms_norm(request, kernel_name));
  }
};

}  // namespace

std::unique_ptr<Generator> make_llvm_norm_quantize() {
  return std::make_unique<LlvmNormQuantize>();
}

std::unique_ptr<Generator> make_llvm_rms_norm() {
  return std::make_unique<LlvmRmsNorm>();
}

}  // namespace bitnetc
