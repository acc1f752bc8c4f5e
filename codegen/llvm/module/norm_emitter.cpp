#include "codegen/llvm/module/norm_emitter.h"

#include <bit>
#include <numeric>

namespace bitnetc {

using llvm::Value;

NormEmitter::NormEmitter(llvm::Function& function, int64_t k)
    : function_(function), k_(k), ir_(function.getContext()) {
  ir_.SetInsertPoint(llvm::BasicBlock::Create(ir_.getContext(), "entry", &function_));
}

llvm::FixedVectorType* NormEmitter::f32s(int count) const {
  return llvm::FixedVectorType::get(llvm::Type::getFloatTy(ir_.getContext()), count);
}

llvm::FixedVectorType* NormEmitter::i32s(int count) const {
  return llvm::FixedVectorType::get(llvm::Type::getInt32Ty(ir_.getContext()), count);
}

llvm::Constant* NormEmitter::splat(float value, int width) const {
  return llvm::ConstantFP::get(f32s(width), value);
}

Value* NormEmitter::broadcast(Value* scalar, const char* name) {
  return ir_.CreateVectorSplat(kGroup, scalar, name);
}

Value* NormEmitter::load_pointer(size_t offset_bytes, const char* name) {
  Value* const field =
      ir_.CreateConstInBoundsGEP1_64(ir_.getInt8Ty(), function_.getArg(0), offset_bytes);
  return ir_.CreateLoad(ir_.getPtrTy(), field, name);
}

void NormEmitter::begin_phase(const char* name) {
  auto* const block = llvm::BasicBlock::Create(ir_.getContext(), name, &function_);
  ir_.CreateBr(block);
  ir_.SetInsertPoint(block);
}

void NormEmitter::when_not_null(Value* pointer, const char* phase,
                                const std::function<void()>& body) {
  auto* const wanted =
      llvm::BasicBlock::Create(ir_.getContext(), llvm::Twine(phase) + "_wanted", &function_);
  auto* const after = llvm::BasicBlock::Create(ir_.getContext(), llvm::Twine(phase) + "_done");
  ir_.CreateCondBr(ir_.CreateIsNotNull(pointer), wanted, after);
  ir_.SetInsertPoint(wanted);
  body();
  ir_.CreateBr(after);
  after->insertInto(&function_);
  ir_.SetInsertPoint(after);
}

Value* NormEmitter::for_each(const char* phase, int width, Value* carried, const Body& body) {
  const int64_t whole_columns = k_ / width * width;
  if (whole_columns > 0) {
    llvm::BasicBlock* const before = ir_.GetInsertBlock();
    begin_phase(phase);
    llvm::BasicBlock* const loop = ir_.GetInsertBlock();
    llvm::PHINode* const column = ir_.CreatePHI(ir_.getInt64Ty(), 2, "column");
    llvm::PHINode* const state =
        carried ? ir_.CreatePHI(carried->getType(), 2, "carried") : nullptr;
    Value* const next_state = body({column, width, width}, state);
    Value* const next_column = ir_.CreateAdd(column, ir_.getInt64(width), "next_column");
    column->addIncoming(ir_.getInt64(0), before);
    column->addIncoming(next_column, loop);
    if (state) {
      state->addIncoming(carried, before);
      state->addIncoming(next_state, loop);
      carried = next_state;
    }
    auto* const done =
        llvm::BasicBlock::Create(ir_.getContext(), llvm::Twine(phase) + "_rest", &function_);
    ir_.CreateCondBr(ir_.CreateICmpULT(next_column, ir_.getInt64(whole_columns)), loop, done);
    ir_.SetInsertPoint(done);
  }
  const int rest = static_cast<int>(k_ - whole_columns);
  return rest == 0 ? carried : body({ir_.getInt64(whole_columns), rest, width}, carried);
}

Value* NormEmitter::elements(Value* vector, int first, int count) {
  std::vector<int> indices(count);
  std::iota(indices.begin(), indices.end(), first);
  return ir_.CreateShuffleVector(vector, indices);
}

// The rest is read in pieces of descending powers of two, each at a multiple of its own length.
void NormEmitter::for_each_piece(Value* row, Columns columns, const Piece& piece) {
  Value* const start = ir_.CreateInBoundsGEP(ir_.getFloatTy(), row, columns.first);
  for (int done = 0; done < columns.count;) {
    const int count = std::bit_floor(static_cast<unsigned>(columns.count - done));
    Value* const address =
        done == 0 ? start : ir_.CreateConstInBoundsGEP1_64(ir_.getFloatTy(), start, done);
    piece(done, count, address);
    done += count;
  }
}

Value* NormEmitter::load(Value* row, Columns columns, const char* name) {
  Value* group = splat(0.0f, columns.width);
  for_each_piece(row, columns, [&](int at, int count, Value* from) {
    llvm::Type* const type = count == 1 ? ir_.getFloatTy() : f32s(count);
    Value* const piece = ir_.CreateAlignedLoad(type, from, llvm::Align(4), name);
    group = count == columns.width ? piece : insert(group, piece, at, count);
  });
  return group;
}

// `group` with `piece` (a scalar when count is 1) at its elements [at, at + count). Shuffles,
// because the code generator cannot widen llvm.vector.insert of every length.
Value* NormEmitter::insert(Value* group, Value* piece, int at, int count) {
  if (count == 1) return ir_.CreateInsertElement(group, piece, at);
  const int width =
      static_cast<int>(llvm::cast<llvm::FixedVectorType>(group->getType())->getNumElements());
  std::vector<int> widen(width, llvm::PoisonMaskElem), merge(width);
  std::iota(widen.begin(), widen.begin() + count, 0);
  std::iota(merge.begin(), merge.end(), 0);
  std::iota(merge.begin() + at, merge.begin() + at + count, width);
  return ir_.CreateShuffleVector(group, ir_.CreateShuffleVector(piece, widen), merge);
}

void NormEmitter::store(Value* group, Value* row, Columns columns) {
  for_each_piece(row, columns, [&](int at, int count, Value* to) {
    Value* piece = group;
    if (count == 1) {
      piece = ir_.CreateExtractElement(group, at);
    } else if (count < columns.width) {
      piece = elements(group, at, count);
    }
    ir_.CreateAlignedStore(piece, to, llvm::Align(4));
  });
}

Value* NormEmitter::fold(Value* vector, int count, const Combine& combine) {
  int width =
      static_cast<int>(llvm::cast<llvm::FixedVectorType>(vector->getType())->getNumElements());
  for (; width > count; width /= 2) {
    Value* const lower = elements(vector, 0, width / 2);
    Value* const upper = elements(vector, width / 2, width / 2);
    vector = combine(lower, upper);
  }
  return vector;
}

Value* NormEmitter::inverse_rms(Value* x, float eps) {
  // A missing element adds fma(0, 0, lane) = lane: lanes start at +0 and never become -0.
  Value* const lanes =
      for_each("sum_squares", kLanes, splat(0.0f, kLanes), [&](Columns columns, Value* partial) {
        Value* const values = load(x, columns, "x");
        return ir_.CreateIntrinsic(llvm::Intrinsic::fma, {f32s(kLanes)}, {values, values, partial},
                                   nullptr, "lanes");
      });

  begin_phase("fold");
  Value* const folded =
      fold(lanes, 1, [&](Value* lower, Value* upper) { return ir_.CreateFAdd(lower, upper); });
  Value* const sum = ir_.CreateExtractElement(folded, uint64_t{0}, "sum");

  begin_phase("scale");
  llvm::Type* const f32 = ir_.getFloatTy();
  Value* const mean =
      ir_.CreateFDiv(sum, llvm::ConstantFP::get(f32, static_cast<float>(k_)), "mean");
  Value* const rms = ir_.CreateUnaryIntrinsic(
      llvm::Intrinsic::sqrt, ir_.CreateFAdd(mean, llvm::ConstantFP::get(f32, eps)), nullptr, "rms");
  return broadcast(ir_.CreateFDiv(llvm::ConstantFP::get(f32, 1.0), rms, "r"), "r_group");
}

Value* NormEmitter::normalise(Value* x, Value* weight, Value* r, Columns columns) {
  Value* const scaled = ir_.CreateFMul(load(x, columns, "x"), r, "scaled");
  return ir_.CreateFMul(scaled, load(weight, columns, "w"), "y");
}

void NormEmitter::store_normalised(Value* x, Value* weight, Value* r, Value* y) {
  for_each("normed", kGroup, nullptr, [&](Columns columns, Value*) -> Value* {
    store(normalise(x, weight, r, columns), y, columns);
    return nullptr;
  });
}

}  // namespace bitnetc
