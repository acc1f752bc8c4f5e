// rms_norm.cpp     y = (x * r) * w,  r = 1 / sqrt(mean(x^2) + eps)
//
// Shapes      x, weight, y f32[K]; K and eps are baked; any K >= 1, any alignment; y may equal x
// Phases      sum_squares -> fold -> scale -> normed -> finish
// Exactness   One IEEE operation per IR instruction: explicit llvm.fma, no fast-math flags, no contraction.
// Reference   codegen/reference/norm.cpp
#include <cstddef>

#include "codegen/llvm/llvm_generators.h"
#include "codegen/llvm/norm_emitter.h"

namespace bitnetc {
namespace {

void emit_rms_norm(llvm::Function& function, const RmsNormSpec& spec) {
  NormEmitter emit(function, spec.k);
  llvm::Value* const x = emit.load_pointer(offsetof(RmsNormArgs, x), "x_row");
  llvm::Value* const weight = emit.load_pointer(offsetof(RmsNormArgs, weight), "w_row");
  llvm::Value* const y = emit.load_pointer(offsetof(RmsNormArgs, y), "y_row");

  llvm::Value* const r = emit.inverse_rms(x, spec.eps);
  emit.store_normalised(x, weight, r, y);
  emit.begin_phase("finish");
  emit.ir().CreateRetVoid();
}

class LlvmRmsNorm final : public Generator {
 public:
  std::string_view name() const override { return "llvm_rms_norm"; }
  std::string_view suffix() const override { return "llvm"; }
  int revision() const override { return 1; }

  Status accepts(const KernelRequest& request) const override {
    if (!std::holds_alternative<RmsNormSpec>(request.spec)) {
      return make_error(StatusCode::kUnsupported, "makes rmsnorm only");
    }
    return OrcJit::accepts(request.target);
  }

  Result<Kernel> build(const KernelRequest& request,
                       const std::string& kernel_name) const override {
    BITNETC_ASSIGN_OR_RETURN(const std::shared_ptr<OrcJit> jit, OrcJit::shared());
    KernelFunction function = jit->begin(kernel_name, request.target);
    emit_rms_norm(*function.function, std::get<RmsNormSpec>(request.spec));
    return jit->finish(std::move(function), request, kernel_name);
  }
};

}  // namespace

std::unique_ptr<Generator> make_llvm_rms_norm() {
  return std::make_unique<LlvmRmsNorm>();
}

}  // namespace bitnetc
