// The module's door.
#include "codegen/llvm/module/norm_kernels.h"
#include "codegen/llvm/module_interface.h"
#include "codegen/llvm/module_maker.h"

namespace bitnetc {
namespace {

Status build(const LlvmRequest& request, LlvmResult& result) {
  BITNETC_ASSIGN_OR_RETURN(OrcJit* const jit, OrcJit::shared());
  const KernelFunction function = jit->begin(request);
  if (const auto* norm_quantize = std::get_if<NormQuantizeSpec>(&request.spec)) {
    emit_norm_quantize(*function.function, *norm_quantize);
  } else {
    const auto* rms_norm = std::get_if<RmsNormSpec>(&request.spec);
    BITNETC_CHECK(rms_norm != nullptr, "{}: an operation without a program", request.kernel_name);
    emit_rms_norm(*function.function, *rms_norm);
  }
  return jit->finish(*function.module, request, result);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): kLlvmModuleSymbol
extern "C" [[gnu::visibility("default")]] const LlvmModule bitnetc_llvm_module = {
    .made_by = kLlvmModuleMaker, .build = build};

}  // namespace bitnetc
