// rms_norm.cpp     y = (x * r) * w,  r = 1 / sqrt(mean(x^2) + eps)
//
// Shapes      x, weight, y f32[K]; K and eps are baked; any K >= 1, any alignment; y may equal x
// Phases      sum_squares -> fold -> scale -> normed -> finish
// Exactness   One IEEE operation per IR instruction: explicit llvm.fma, no fast-math flags, no
//             contraction.
// Reference   codegen/reference/norm.cpp
#include <cstddef>

#include "codegen/llvm/module/norm_emitter.h"
#include "codegen/llvm/module/norm_kernels.h"

namespace bitnetc {

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

}  // namespace bitnetc
