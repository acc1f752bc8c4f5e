// Constants of a program, in memory behind its code: each a whole vector of copies, so that
// instructions of every encoding take them as operands. A constant that is asked for twice is
// stored once.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

class ConstantPool {
 public:
  explicit ConstantPool(VectorFile vectors) : vectors_(vectors) {}

  Xbyak::Address floats(float value) { return dwords(std::bit_cast<uint32_t>(value)); }
  Xbyak::Address dwords(uint32_t bits) {
    const auto at = std::ranges::find(constants_, bits) - constants_.begin();
    if (at == std::ssize(constants_)) constants_.push_back(bits);
    return Xbyak::util::ptr[Xbyak::util::rip + label_ + at * vectors_.bytes];
  }

  // Once, after the program's ret; nothing if no constant was asked for.
  void emit(Xbyak::CodeGenerator& code) {
    if (constants_.empty()) return;
    code.align(static_cast<size_t>(vectors_.bytes));
    code.L(label_);
    for (const uint32_t bits : constants_)
      for (int copy = 0; copy < vectors_.bytes / 4; ++copy) code.dd(bits);
  }

 private:
  const VectorFile vectors_;
  Xbyak::Label label_;
  std::vector<uint32_t> constants_;
};

}  // namespace bitnetc::x64
