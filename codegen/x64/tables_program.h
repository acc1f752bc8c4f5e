// What the programs that build lookup tables share: the walk over blocks of columns, the end of the
// row, and the gathering of each field's activations.
//
//   for each block
//     gather    the columns of every field into a dword of the scratch: (x0, x1, x2, 0) + 128
//     per field (or pair of fields): table  the tier's: dot products of that dword with Digits
//
// A sum is a dot product with the digits of its code. The multiply instructions take unsigned times
// signed bytes, so activations are raised by 128 and the fourth byte, 128 itself, takes that off
// again:
//
//   sum_t d[t] * x[t]  =  sum_t d[t] * (x[t] + 128)  +  128 * -(d[0] + d[1] + d[2])
//
// Reads      x up to K rounded up to kQuantPad, never beyond: blocks that reach further are built
//            from a copy of the last kQuantPad columns, followed by zeros
// Writes     the tables of [block_begin, block_end)
// Layout     TableForm in codegen/kernel_spec.h         Reference  codegen/reference/matmul.cpp
#pragma once

#include <array>
#include <vector>

#include "codegen/kernel_spec.h"
#include "codegen/layout/word_columns.h"
#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

// What a code of a field multiplies the field's activations with, and the correction.
using Digits = std::array<int8_t, 4>;

// Refuses tables of another form than `form`, the one a tier builds.
Status check_form(const TablesSpec& spec, TableForm form);

class TablesProgram : public X64Code {
 protected:
  TablesProgram(VectorFile vectors, const TablesSpec& spec);

  // The tier's. Of the vector registers vec(0) and vec(1) are lost to the gathering.
  virtual void load_constants() = 0;
  virtual void build_tables() = 0;  // of one block

  // Tables of a block, in their order.
  int fields() const { return format_.words * format_.fields; }
  bool lone_trit(int field) const { return format_.trits[field % format_.fields] == 1; }
  bool has_lone_trits() const { return lone_trit(format_.fields - 1); }
  // The zeros if the code does not occur.
  Digits digits(int field, int code) const;
  // The gathered activations of a field of the block.
  Xbyak::RegExp activations(int field) const;
  Xbyak::RegExp table(int field) const {
    return tables_ + field * static_cast<int>(spec_.field_bytes());
  }
  void emit_data() override;
  void put(const Digits& digits) {
    for (const int8_t digit : digits) db(static_cast<uint8_t>(digit));
  }

  const TablesSpec spec_;

 private:
  // Four fields, whose columns lie within sixteen.
  struct Quad {
    int column;                       // of the load, within the block
    std::array<uint8_t, 16> shuffle;  // of what was loaded
  };

  void generate() final;
  void load_arguments();
  void copy_row_end();
  void run_blocks(const Xbyak::Reg64& end);
  void gather();
  int slot(int field) const;
  Quad quad(int index) const;
  int quads() const { return fields() / 4; }

  const WordFormat& format_;
  const int64_t row_columns_;   // that may be read
  const int64_t whole_blocks_;  // that lie inside
  const std::vector<Quad> quads_;
  Xbyak::Label shuffles_;

  const Xbyak::Reg64 args_ = Xbyak::util::rdi;
  const Xbyak::Reg64 x_ = Xbyak::util::rsi;       // of the block
  const Xbyak::Reg64 tables_ = Xbyak::util::rdx;  // of the block
  const Xbyak::Reg64 block_ = Xbyak::util::rcx;
  const Xbyak::Reg64 end_ = Xbyak::util::r8;        // of all blocks
  const Xbyak::Reg64 whole_end_ = Xbyak::util::r9;  // of those inside the row
  const Xbyak::Reg64 scratch_ =
      Xbyak::util::rsp;  // gathered dwords, then the copy of the row's end
};

}  // namespace bitnetc::x64
