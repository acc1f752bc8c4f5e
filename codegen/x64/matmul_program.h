// What every matmul program shares, whatever its layout and strategy: access to the arguments, and
// the epilogue that turns int32 sums into outputs, one vector of rows at a time.
#pragma once

#include <functional>

#include "codegen/kernel_spec.h"
#include "codegen/matmul_work.h"
#include "codegen/x64/emit/gate_functions.h"
#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

inline constexpr int kTileOutputBytes = kTileRows * static_cast<int>(sizeof(float));

// Blocks of `block_columns` columns that an iteration over K takes: one at least.
int blocks_per_iteration(int64_t block_columns, int k_unroll);

// The epilogue takes the last vector registers.
inline constexpr int kEpilogueVectors = 4;

// The general registers an epilogue reads; it changes none.
struct OutputRegs {
  Xbyak::Reg64 y;               // first output column of the group, of the token at hand
  Xbyak::Reg64 residual_delta;  // residual - y, bytes; only with Epilogue::kResidual
  Xbyak::Reg64 x_scale, x_sum;  // of token 0
  Xbyak::Reg64 tile_scale;      // of the group's first tile
  Xbyak::Reg64 row_absmax;      // of token 0; only with MatmulSpec::row_absmax
};

class MatmulProgram : public X64Code {
 protected:
  // Whether sums are of codes w+1, so that x_sum must be taken off, or of the weights themselves.
  enum class SumsOf { kCodes, kWeights };
  // Address of the sums of a tile of the group: one vector of i32.
  using Sums = std::function<Xbyak::Address(int tile)>;

  MatmulProgram(VectorFile vectors, const MatmulSpec& spec, SumsOf sums_of)
      : X64Code(vectors), spec_(spec), sums_of_(sums_of), gate_functions_(vectors) {}

  // A field of MatmulArgs, given by its offset, while rdi still holds them.
  Xbyak::Address argument(size_t offset) const {
    return ptr[Xbyak::util::rdi + static_cast<int>(offset)];
  }

  bool gated() const { return is_gated(spec_.epilogue); }
  // Bytes of outputs that one tile of a tile group makes, per token.
  int output_bytes_per_tile() const { return kTileOutputBytes / spec_.tiles_per_unit(); }
  int vectors_per_tile() const { return kTileOutputBytes / vectors_.bytes; }

  // Stores one vector of outputs. `output` counts tiles of outputs within the group, `part` the
  // vectors of a tile. `token` counts from where x_scale, x_sum and row_absmax point; y points at
  // the token's own row.
  void store_output(const OutputRegs& regs, const Sums& sums, int output, int token, int part);

  void emit_data() override { gate_functions_.emit_data(*this); }

  const MatmulSpec spec_;

 private:
  void scaled_sums(const OutputRegs& regs, const Xbyak::Xmm& to, const Xbyak::Address& sums,
                   int tile, int token);

  // row_absmax[token] = the largest of it and the |value|s; changes the vectors of the epilogue but
  // `value`.
  void fold_row_absmax(const OutputRegs& regs, const Xbyak::Xmm& value, int token);

  // value = the gate's function of value; changes all vectors of the epilogue.
  void apply_gate(const Xbyak::Xmm& value);

  const SumsOf sums_of_;
  GateFunctions gate_functions_;
};

}  // namespace bitnetc::x64
