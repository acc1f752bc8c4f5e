// One program of x86-64 machine code while it is being written: Xbyak's assembler plus the few
// routines that every generator here shares (frame, counted loops, constants). A program is written
// once, by one thread, into an ordinary heap buffer; it must be position-independent, because it
// runs elsewhere.
//
// The only header that includes Xbyak; private to codegen/x64.
#pragma once

#include <xbyak/xbyak.h>

#include <cstdint>
#include <memory>
#include <span>

namespace bitnetc::x64 {

// Vector registers a tier has, and how wide it uses them.
struct VectorFile {
  int count;  // 16 or 32
  int bytes;  // 32: ymm, 64: zmm
};
inline constexpr VectorFile kYmmFile{.count = 16, .bytes = 32};
inline constexpr VectorFile kZmmFile{.count = 32, .bytes = 64};

inline constexpr int kLineBytes = 64;  // of a cache line

class X64Code : protected Xbyak::CodeGenerator {
 public:
  ~X64Code() override = default;

  // Writes the program. `poison`: prologues fill all vector registers with a pattern, so that
  // reading one before writing it is loud. Throws Xbyak::Error, which to_kernel() in
  // x64_generator.cpp turns into a Status.
  std::span<const uint8_t> emit(bool poison = false);

 protected:
  explicit X64Code(VectorFile vectors);

  virtual void generate() = 0;
  // Constants in memory, from a cache line on, after the program's ret. An override also calls the
  // one it overrides.
  virtual void emit_data() {}

  // Vector register `i` at the width this program uses.
  Xbyak::Xmm vec(int i) const {
    return Xbyak::Xmm(vectors_.bytes == 64 ? Xbyak::Operand::ZMM : Xbyak::Operand::YMM, i);
  }

  // Saves every callee-saved register and leaves `scratch_bytes` at rsp, aligned to a cache line.
  // Every page of a large frame is touched in order, so that a stack without room for it meets its
  // guard page. rbp holds the frame and is not to be touched.
  void prologue(int scratch_bytes);
  // Undoes prologue(), cleans the upper vector halves and returns to the caller.
  void finish();

  // Emits `body` once and a branch that runs it `count` times, counted down in `counter`; for count
  // 0 nothing, for 1 no branch.
  template <typename Body>
  void repeat(const Xbyak::Reg64& counter, int64_t count, Body body) {
    if (count == 0) return;
    Xbyak::Label top;
    if (count > 1) {
      mov(counter.cvt32(), static_cast<uint32_t>(count));
      align(kLoopAlignment);
      L(top);
    }
    body();
    if (count > 1) {
      dec(counter);
      jnz(top, T_NEAR);
    }
  }

  // Fills every dword of `to` with `pattern`, by way of eax.
  void broadcast(const Xbyak::Xmm& to, uint32_t pattern);

  static constexpr int kLoopAlignment = 32;

  const VectorFile vectors_;

 private:
  void reserve_stack(int bytes);
  void poison_vectors();

  X64Code(VectorFile vectors, std::unique_ptr<uint8_t[]> buffer);

  bool poison_ = false;                // as emit() was told
  std::unique_ptr<uint8_t[]> buffer_;  // room for the code from a cache line on
};

}  // namespace bitnetc::x64
