// What the LUT kernels share, for layouts of 16-bit words (tl1, tl2, b3) and one token: the walk
// over tiles and K, the blocks between two flushes, and the epilogue. A tier adds the lookups.
//
//   Y[N] = epilogue( float( sum of looked-up sums ) * (x_scale * tile_scale) )
//
//   load the lines of the first group      later lines are prefetched
//   for each group of T row tiles          T = tiles_per_step; a remainder runs with smaller T
//     zero the sums (i32, scratch) and the accumulators (i16, registers)
//     for each run of blocks               as many as cannot overflow an i16 lane
//       for each block, each word: word    look up and add; some blocks to an emitted iteration
//       flush                              accumulators to the sums, then zero
//     epilogue for the tiles of the group
//
// A lane of an accumulator belongs to one row, so there are no horizontal sums.
//
// Exactness  One looked-up sum of t columns is within +-128 t. An i16 lane that takes a block's
//            sums of at most L in all is flushed after floor(32767 / L) blocks, so no order of
//            additions overflows:
//              tl1   8 fields of 2 columns   L = 2048    15 blocks
//              tl2  12 fields of 3 columns   L = 4608     7 blocks
//              b3    6 of 3 and 2 of 1       L = 2560    12 blocks
//            Several accumulators per row share a block's L equally. An i32 sum is within 128 K:
//            K < 2^24.
//
// With a gated epilogue a group is a whole number of (gate tile, up tile) pairs.
//
// Reads    tables of the whole K; w of the tile range; x_scale, tile_scale, residual
// Writes   y inside the tile range's columns; row_absmax, if wanted
#pragma once

#include "codegen/layout/word_columns.h"
#include "codegen/matmul_plans.h"
#include "codegen/matmul_work.h"
#include "codegen/x64/matmul_program.h"

namespace bitnetc::x64 {

inline constexpr int64_t kLutKLimit = int64_t{1} << 24;

// MatmulFamily::effective_plan: a gated group of one tile is one of two.
KernelPlan effective_lut_plan(const MatmulSpec& spec, const KernelPlan& plan);

// MatmulFamily::work of a LUT kernel: `operations` vector instructions find and add the sums of
// `weights` weights.
MatmulWork lut_work(const MatmulSpec& spec, const KernelPlan& plan, TableForm form,
                    double operations, double weights);

class MatmulLut : public MatmulProgram {
 protected:
  // `accumulators`: i16 lanes of a row that share the fields of a block equally.
  MatmulLut(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan, TableForm form,
            int accumulators);

  // The tier's. It may use all vector registers, and keeps nothing in the last kEpilogueVectors
  // from group to group.
  virtual void load_constants() = 0;
  virtual void zero_accumulators(int tiles) = 0;
  // Looks up word `w` of block number `block` from the current position, for all tiles of the
  // group.
  virtual void word(int tiles, int block, int w) = 0;
  // Adds the accumulators to sums().
  virtual void flush(int tiles) = 0;

  LayoutId layout() const { return spec_.layout; }
  int fields() const { return format_.fields; }
  bool lone_trit(int field) const { return format_.trits[field] == 1; }
  // Operands; `block` as above.
  Xbyak::RegExp word_column(int tile, int block, int w) const;
  Xbyak::RegExp table(int block, int w, int field) const;
  Xbyak::Address sums(int tile, int part) const;

 private:
  void generate() final;
  void load_arguments();
  void read_up_to_prefetch();
  void run_tile_groups(int tiles);
  void run_tile_group(int tiles);
  void run_blocks(int tiles, int64_t count);
  void iteration(int tiles, int blocks);
  void prefetch(int tiles, int block, int w);
  void epilogue(int tiles);

  int group_tiles() const;
  int64_t tile_bytes() const { return spec_.weight_layout().tile_bytes(); }

  const DirectPlan plan_;
  const WordFormat& format_;
  const TablesSpec tables_spec_;
  const int blocks_per_iteration_;
  const int iterations_per_flush_;

  // Inner loops.
  const Xbyak::Reg64 args_ = Xbyak::util::rdi;
  const Xbyak::Reg64 w_ = Xbyak::util::rsi;          // current block of the group's first tile
  const Xbyak::Reg64 tables_ = Xbyak::util::rdx;     // of the current block
  const Xbyak::Reg64 ahead_ = Xbyak::util::rcx;      // next weights to prefetch
  const Xbyak::Reg64 iterations_ = Xbyak::util::r8;  // until the flush
  const Xbyak::Reg64 runs_ = Xbyak::util::r9;
  // Tile loop.
  const Xbyak::Reg64 tiles_left_ = Xbyak::util::r11;
  const Xbyak::Reg64 y_ = Xbyak::util::rbx;           // first output column of the group
  const Xbyak::Reg64 tile_scale_ = Xbyak::util::r12;  // of the group's first tile
  const Xbyak::Reg64 x_scale_ = Xbyak::util::r13;
  const Xbyak::Reg64 residual_delta_ = Xbyak::util::r14;
  const Xbyak::Reg64 row_absmax_ = Xbyak::util::r15;
  const Xbyak::Reg64 scratch_ = Xbyak::util::rsp;  // i32 [tile of the group][16]
};

}  // namespace bitnetc::x64
