// How a packed row tile becomes a panel: bytes that a dot product can use as they are.
//
//   panel   groups of four columns, in the order of the columns; 64 bytes per group
//   group   16 rows x 4 columns: byte 4r + j belongs to row r of the tile, column 4g + j
//   byte    the code w + 1: 0, 1 or 2; columns beyond the matrix hold code 1
//
// A panel is decoded once and multiplied with many tokens. There is a decoder per layout; it emits
// its instructions into the program of the kernel that uses it.
#pragma once

#include <memory>
#include <span>

#include "codegen/weight_layout.h"
#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

// Emits code that turns packed blocks of one row tile into a panel. One decoder serves one program.
class PanelDecoder {
 public:
  virtual ~PanelDecoder() = default;

  // As WeightLayout::block_columns() and block_bytes().
  virtual int block_columns() const = 0;
  virtual int block_bytes() const = 0;
  // Vector instructions that decode a block, without its loads and stores.
  virtual int block_operations() const = 0;
  double operations_per_weight() const {
    return static_cast<double>(block_operations()) /
           (block_columns() * static_cast<int>(kTileRows));
  }

  // Loads what decode_block() keeps in vector registers. May use every vector register and rax.
  // Emitted at the start of every panel.
  virtual void load_constants(Xbyak::CodeGenerator& code) = 0;
  // One block at [w] -> block_columns() / 4 groups at [panel], which is 64-byte aligned. Changes
  // vector registers and rax only.
  virtual void decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                            const Xbyak::RegExp& panel) = 0;
  // Constants in memory, emitted once, after the program's ret; may emit nothing.
  virtual void emit_data(Xbyak::CodeGenerator& code) = 0;
};

// A decoder whose vectors are whole groups, so that codes need not go through memory. It decodes in
// two phases, prepare() and look_up(), so that a caller can prepare later groups between the
// products of earlier ones. Each lane of registers decodes a block of its own, so that blocks of
// several tiles are decoded side by side. The decoder uses the first kRegisters vector registers
// and, after load_constants(), no general register.
class GroupDecoder : public PanelDecoder {
 public:
  static constexpr int kLanes = 2;
  static constexpr int kRegisters = 15;

  // A stage is some groups that are prepared together: those from `begin` to `end`.
  struct Stage {
    int begin, end;
  };
  virtual std::span<const Stage> stages() const = 0;

  // Emits the preparation of a stage of the block at [w]. The stages of a block are prepared in
  // order, with `turn` 0 and 1 in alternation: what the stage before prepared stays valid.
  virtual void prepare(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w, int lane, int stage,
                       int turn) = 0;
  // Emits the lookup of a group that was prepared with `turn`. Returns the register that holds its
  // codes until the lane's next lookup or preparation.
  virtual Xbyak::Zmm look_up(Xbyak::CodeGenerator& code, int lane, int group, int turn) = 0;

  void decode_block(Xbyak::CodeGenerator& code, const Xbyak::RegExp& w,
                    const Xbyak::RegExp& panel) final;
};
// For tl1, tl2 and b3: AVX-512 F, BW and VL, and for tl2 and b3 VBMI too.
std::unique_ptr<GroupDecoder> make_group_decoder(LayoutId layout);

// A decoder that writes vectors of `vectors`: 32 bytes means AVX2 only, 64 bytes AVX-512 F, BW and
// VL, and for tl2 and b3 VBMI too.
std::unique_ptr<PanelDecoder> make_panel_decoder(LayoutId layout, VectorFile vectors);

// One per layout, each in its own file.
std::unique_ptr<PanelDecoder> make_i2s_decoder(VectorFile vectors);
std::unique_ptr<PanelDecoder> make_tl1_decoder(VectorFile vectors);
std::unique_ptr<PanelDecoder> make_tl2_decoder(VectorFile vectors);
std::unique_ptr<PanelDecoder> make_b3_decoder(VectorFile vectors);
std::unique_ptr<GroupDecoder> make_tl1_group_decoder();
std::unique_ptr<GroupDecoder> make_tl2_group_decoder();
std::unique_ptr<GroupDecoder> make_b3_group_decoder();

}  // namespace bitnetc::x64
