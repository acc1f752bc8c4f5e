// norm_quantize.cpp     y = (x * r) * w,  r = 1 / sqrt(mean(x^2) + eps)
//                       q = rint(y * 127 / max|y|)
//
// Shapes      x, weight f32[K]   q i8[round_up(K, 64)], pad zero   scale f32   sum i32
//             normed f32[K] or null; K and eps are baked; any K >= 1, any alignment
// Phases      sum_squares -> fold -> scale -> (normed) -> absmax -> quant_scale -> quantise
//             -> finish
//             The row is read three times, from L1 or L2, and y is computed again rather than kept:
//             two multiplications cost less than a store and a load, and no scratch is needed.
// Exactness   One IEEE operation per IR instruction: explicit llvm.fma, no fast-math flags, no
//             contraction. For finite y, |y * inv| < 127 * (1 + 2^-22), so rint never leaves
//             [-127, 127]: the clamp only tells the code generator that saturating packs are exact.
//             The sum of q: any order.
// Reference   codegen/reference/norm.cpp
#include <cstddef>

#include "codegen/llvm/module/norm_emitter.h"
#include "codegen/llvm/module/norm_kernels.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

using llvm::Value;

constexpr int kGroup = NormEmitter::kGroup;
constexpr int kSumLanes = 8;
constexpr float kMinAbsmax = 1e-5f;

// Lane-wise maximum of `largest` and |y|; a NaN in y is passed over, as in the reference.
Value* larger(llvm::IRBuilder<>& ir, Value* candidate, Value* largest) {
  return ir.CreateSelect(ir.CreateFCmpOGT(candidate, largest), candidate, largest);
}

Value* emit_absmax(NormEmitter& emit, Value* x, Value* weight, Value* r) {
  auto& ir = emit.ir();
  Value* const lanes = emit.for_each(
      "absmax", kGroup, emit.splat(kMinAbsmax, kGroup), [&](Columns columns, Value* largest) {
        Value* const y = emit.normalise(x, weight, r, columns);
        return larger(ir, ir.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, y), largest);
      });
  emit.begin_phase("quant_scale");
  Value* const folded =
      emit.fold(lanes, 1, [&](Value* lower, Value* upper) { return larger(ir, lower, upper); });
  return ir.CreateExtractElement(folded, uint64_t{0}, "a");
}

// rint(y * inv) of one group as i32; missing elements are zero whatever r and inv are.
Value* emit_round(NormEmitter& emit, Value* y, Value* inv, Columns columns) {
  auto& ir = emit.ir();
  llvm::Type* const codes = emit.i32s(kGroup);
  Value* const code = ir.CreateIntrinsic(llvm::Intrinsic::lrint, {codes, y->getType()},
                                         {ir.CreateFMul(y, inv)}, nullptr, "code");
  if (columns.count == kGroup) return code;
  llvm::SmallVector<llvm::Constant*, kGroup> present;
  for (int i = 0; i < kGroup; ++i) present.push_back(ir.getInt1(i < columns.count));
  return ir.CreateSelect(llvm::ConstantVector::get(present), code,
                         llvm::Constant::getNullValue(codes));
}

// Writes one group of q.
void emit_store_codes(NormEmitter& emit, Value* code, Value* q, Columns columns) {
  auto& ir = emit.ir();
  llvm::Type* const codes = emit.i32s(kGroup);
  Value* const floored = ir.CreateBinaryIntrinsic(llvm::Intrinsic::smax, code,
                                                  llvm::ConstantInt::getSigned(codes, -128));
  Value* const clamped = ir.CreateBinaryIntrinsic(llvm::Intrinsic::smin, floored,
                                                  llvm::ConstantInt::getSigned(codes, 127));
  Value* const bytes = ir.CreateTrunc(clamped, llvm::FixedVectorType::get(ir.getInt8Ty(), kGroup));
  ir.CreateAlignedStore(bytes, ir.CreateInBoundsGEP(ir.getInt8Ty(), q, columns.first),
                        llvm::Align(1));
}

// Writes q and its pad; returns the sum of q.
Value* emit_quantise(NormEmitter& emit, const NormQuantizeSpec& spec, Value* x, Value* weight,
                     Value* r, Value* inv, Value* q) {
  auto& ir = emit.ir();
  Value* const lanes = emit.for_each(
      "quantise", kGroup, llvm::Constant::getNullValue(emit.i32s(kSumLanes)),
      [&](Columns columns, Value* sum) {
        Value* const code = emit_round(emit, emit.normalise(x, weight, r, columns), inv, columns);
        emit_store_codes(emit, code, q, columns);
        Value* const part = emit.fold(code, kSumLanes, [&](Value* lower, Value* upper) {
          return ir.CreateAdd(lower, upper);
        });
        return ir.CreateAdd(sum, part, "sum");
      });
  emit.begin_phase("finish");
  const int64_t written = round_up(spec.k, kGroup);
  if (written < round_up(spec.k, kQuantPad)) {
    emit_store_codes(emit, llvm::Constant::getNullValue(emit.i32s(kGroup)), q,
                     {ir.getInt64(written), kGroup, kGroup});
  }
  return ir.CreateAddReduce(lanes);
}

}  // namespace

void emit_norm_quantize(llvm::Function& function, const NormQuantizeSpec& spec) {
  NormEmitter emit(function, spec.k);
  auto& ir = emit.ir();
  Value* const x = emit.load_pointer(offsetof(NormQuantizeArgs, x), "x_row");
  Value* const weight = emit.load_pointer(offsetof(NormQuantizeArgs, weight), "w_row");
  Value* const q = emit.load_pointer(offsetof(NormQuantizeArgs, q), "q_row");
  Value* const scale_out = emit.load_pointer(offsetof(NormQuantizeArgs, scale), "scale_out");
  Value* const sum_out = emit.load_pointer(offsetof(NormQuantizeArgs, sum), "sum_out");
  Value* const normed = emit.load_pointer(offsetof(NormQuantizeArgs, normed), "normed_row");

  Value* const r = emit.inverse_rms(x, spec.eps);
  emit.when_not_null(normed, "normed", [&] { emit.store_normalised(x, weight, r, normed); });
  Value* const a = emit_absmax(emit, x, weight, r);
  llvm::Constant* const c127 = llvm::ConstantFP::get(ir.getFloatTy(), 127.0);
  Value* const inv = emit.broadcast(ir.CreateFDiv(c127, a, "inv"), "inv_group");
  ir.CreateStore(ir.CreateFDiv(a, c127, "scale"), scale_out);
  Value* const sum = emit_quantise(emit, spec, x, weight, r, inv, q);
  ir.CreateStore(sum, sum_out);
  ir.CreateRetVoid();
}

}  // namespace bitnetc
