// What every matmul program shares that decodes into registers for a fixed number of tokens:
// registers, the walk over tiles, rows and K, and the epilogue. A layout and tier adds the
// microkernel: decode and accumulate.
//
//   Y[M,N] = epilogue( float( sum_k x[m][k] * code[n,k] - x_sum[m] ) * (x_scale[m] * tile_scale) )
//
//   for each group of T row tiles          T = tiles_per_step; a remainder runs with a smaller T
//     for each pass                        all tokens; all rows, or half if registers are few
//       begin
//       for each k_unroll blocks: blocks   an emitted loop, then the remainder in straight line
//       end                                leaves sum_k x * code as i32 in the scratch
//     epilogue for all tokens of the group
//
// The tiles of a pass are as many streams. Each is prefetched across the end of its tile into its
// next one, a group further: the loop over K is emitted twice, before and after that end.
//
// With a gated epilogue a group is a whole number of (gate tile, up tile) pairs. When T = 1 the
// same code passes over the gate tile, then over the up tile. Hardware prefetchers follow a stream
// by the instruction that reads it: with a loop per tile, one token from memory took 1.15 (AVX-512)
// to 1.5 times as long (AVX-VNNI, AMD EPYC Zen 5).
//
// A block is what the layout packs together: for i2_s 16 rows x 16 columns in 64 bytes. Each int32
// lane of an accumulator is one output row, so there are no horizontal sums: activations are
// broadcast a dot group at a time. A last block that reaches beyond the readable activations is cut
// short.
//
// The tier keeps nothing in the last kEpilogueVectors registers from tile to tile.
//
// Reads    x up to K rounded up to kQuantPad; w of the tile range; x_scale, x_sum, tile_scale,
//          residual
// Writes   y inside the tile range's columns; row_absmax, if wanted
#pragma once

#include "codegen/kernel_spec.h"
#include "codegen/matmul_plans.h"
#include "codegen/matmul_work.h"
#include "codegen/x64/emit/i2s_planes.h"
#include "codegen/x64/matmul_program.h"

namespace bitnetc::x64 {

// The general registers of a matmul program.
struct MatmulRegs {
  using Reg64 = Xbyak::Reg64;
  Reg64 args = Xbyak::util::rdi;
  // Inner loops.
  Reg64 w = Xbyak::util::rsi;         // current block of the group's first tile
  Reg64 x = Xbyak::util::rdx;         // current columns of token 0
  Reg64 x_token4 = Xbyak::util::rcx;  // the same of token 4, when M > 4
  Reg64 x_stride = Xbyak::util::r8;   // bytes
  Reg64 x_stride3 = Xbyak::util::r9;  // 3 * x_stride
  Reg64 k_iterations = Xbyak::util::r10;
  // Tile loop.
  Reg64 tiles_left = Xbyak::util::r11;
  Reg64 y = Xbyak::util::rbx;               // first output column of the group, token 0
  Reg64 tile_scale = Xbyak::util::r12;      // of the group's first tile
  Reg64 y_stride = Xbyak::util::r13;        // bytes
  Reg64 residual_delta = Xbyak::util::r14;  // residual - y, bytes
  // Epilogue: the inner loops' registers are free by then.
  Reg64 y_token = Xbyak::util::rdx;
  Reg64 x_scale = Xbyak::util::rcx;
  Reg64 x_sum = Xbyak::util::r10;
  Reg64 row_absmax = Xbyak::util::rax;
  Reg64 scratch =
      Xbyak::util::rsp;  // i32 [tile of the group][token][16], then the tier's own bytes
};

// MatmulFamily::work of a direct kernel. `independent_sums`: accumulators that take turns in the
// multiplier; 0: more than it can use.
MatmulWork direct_work(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens,
                       double decode_operations_per_weight, int independent_sums);

// A vector of packed i2_s bytes holds four weights per byte.
inline double i2s_operations_per_weight(VectorFile vectors, I2sPlanes planes) {
  return static_cast<double>(planes.operations()) / (I2sPlanes::kCount * vectors.bytes);
}

class MatmulDirect : public MatmulProgram {
 protected:
  // What one run over K computes, for all tokens. A tile is one part, or two: groups of rows that
  // one vector covers.
  struct Pass {
    int tiles, parts;
    int first_part;  // within the tile
  };

  // `parts_per_pass`: as many as the tier's registers hold accumulators for. `tier_scratch_bytes`:
  // room after the sums.
  MatmulDirect(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
               int parts_per_pass, int tier_scratch_bytes);

  // The microkernel. It may use all vector registers; only the last kEpilogueVectors change between
  // an end() and the next begin().
  virtual void load_constants() = 0;
  virtual void begin(const Pass& pass) = 0;
  // The next `count` blocks of every tile of the pass.
  virtual void blocks(const Pass& pass, int count) = 0;
  // Block number `block` from the current position, of which only the first `groups` groups of four
  // columns count. Layouts whose blocks divide kQuantPad need none.
  virtual void cut_block(const Pass& pass, int block, int groups);
  virtual void end(const Pass& pass) = 0;

  // Operands of the microkernel. `block` counts from the current position, `tile` and `part` within
  // the pass, `group` within the block.
  Xbyak::RegExp codes(const Pass& pass, int tile, int part, int block) const;
  Xbyak::RegExp activations(int token, int block, int group) const;
  int groups_per_block() const { return block_columns_ / kDotGroupColumns; }
  int blocks_per_iteration() const;
  Xbyak::Address sums(const Pass& pass, int tile, int token, int part) const;
  Xbyak::RegExp tier_scratch() const;
  // Emits the prefetches for one block of every tile of the pass.
  void prefetch(const Pass& pass, int block);

  const MatmulRegs regs_;

 private:
  void generate() final;
  void load_arguments();
  void run_tile_groups(int tiles_per_pass);
  void run_tile_group(int tiles_per_pass);
  void run_passes(int tiles_per_pass);
  void accumulate_k(const Pass& pass, int64_t w_advance_bytes);
  // A pass over further rows of the same blocks finds them in L1.
  bool prefetches(const Pass& pass) const;
  void epilogue();

  int tiles_per_group(int tiles_per_pass) const;
  int64_t tile_bytes() const { return spec_.weight_layout().tile_bytes(); }
  // Of a tile of the pass. Where a gate and an up tile take turns, tile 1 is the gate when both are
  // done.
  Xbyak::Address pass_sums(int tile, int token, int part) const;
  bool takes_turns() const { return pass_tiles_ != group_tiles_; }

  const DirectPlan plan_;
  const int block_columns_, block_bytes_;
  const int parts_per_pass_;
  const int tier_scratch_bytes_;
  int group_tiles_ = 0, pass_tiles_ = 0;  // of the group being emitted
  int64_t prefetch_ahead_bytes_ = 0;      // of the blocks being emitted, from where they lie
};

}  // namespace bitnetc::x64
