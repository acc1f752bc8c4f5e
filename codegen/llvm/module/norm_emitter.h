// The IR that norm_quantize and rms_norm share: walking a row in groups of columns, and the RMS
// norm itself. One emitter writes one function; every phase is a basic block (or a loop of one
// block) that is named after it.
//
// A group is one vector value, which the code generator cuts into the registers of the tier. The
// sum of squares takes 64 columns at a time, so that lane l of the specification is element l (8
// ymm, 4 zmm, 16 NEON); the element-wise phases take kGroup. The ragged rest of a row runs through
// the same iteration as a group whose missing elements were never loaded and are +0.
#pragma once

#include <functional>

#include "codegen/llvm/module/orc_jit.h"

namespace bitnetc {

// Columns [first, first + count) of a row as a vector of `width` elements; count < width in the
// rest.
struct Columns {
  llvm::Value* first = nullptr;
  int count = 0;
  int width = 0;
};

class NormEmitter {
 public:
  static constexpr int kLanes = 64;
  static constexpr int kGroup = 32;

  NormEmitter(llvm::Function& function, int64_t k);

  llvm::IRBuilder<>& ir() { return ir_; }
  llvm::FixedVectorType* f32s(int count) const;
  llvm::FixedVectorType* i32s(int count) const;
  llvm::Constant* splat(float value, int width) const;
  // In every element of a group.
  llvm::Value* broadcast(llvm::Value* scalar, const char* name);

  // The pointer stored `offset_bytes` into the args struct.
  llvm::Value* load_pointer(size_t offset_bytes, const char* name);
  // Ends the current block; what follows is written into the new one.
  void begin_phase(const char* name);

  // `body` runs only where `pointer` is not null; its phases come between the current one and the
  // next.
  void when_not_null(llvm::Value* pointer, const char* phase, const std::function<void()>& body);

  // Writes `body` as the loop body over all groups of `width` columns, and once more for the rest
  // of the row. `carried` (may be null) is the value each iteration takes from the one before;
  // returns the last one.
  using Body = std::function<llvm::Value*(Columns columns, llvm::Value* carried)>;
  llvm::Value* for_each(const char* phase, int width, llvm::Value* carried, const Body& body);

  // Reads and writes touch the elements of `columns` and no byte beyond.
  llvm::Value* load(llvm::Value* row, Columns columns, const char* name);
  void store(llvm::Value* group, llvm::Value* row, Columns columns);

  // Halves a vector until `count` elements are left: lower half `combine` upper half.
  using Combine = std::function<llvm::Value*(llvm::Value* lower, llvm::Value* upper)>;
  llvm::Value* fold(llvm::Value* vector, int count, const Combine& combine);

  // r = 1 / sqrt(lanes64(x * x) / k + eps), in every element of a group.
  // Phases sum_squares, fold, scale.
  llvm::Value* inverse_rms(llvm::Value* x, float eps);
  // y = (x * r) * w of one group.
  llvm::Value* normalise(llvm::Value* x, llvm::Value* weight, llvm::Value* r, Columns columns);
  // y = (x * r) * w of the row. Phase normed.
  void store_normalised(llvm::Value* x, llvm::Value* weight, llvm::Value* r, llvm::Value* y);

 private:
  // Elements [at, at + count) of a group and where in memory they are.
  using Piece = std::function<void(int at, int count, llvm::Value* address)>;
  void for_each_piece(llvm::Value* row, Columns columns, const Piece& piece);
  llvm::Value* insert(llvm::Value* group, llvm::Value* piece, int at, int count);
  llvm::Value* elements(llvm::Value* vector, int first, int count);

  llvm::Function& function_;
  int64_t k_;
  llvm::IRBuilder<> ir_;
};

}  // namespace bitnetc
