#include "codegen/x64/x64_code.h"

#include "runtime/buffer.h"

namespace bitnetc::x64 {
namespace {

// The largest program (m = 8, k_unroll = 16, two loop widths) takes about a tenth of this; pages
// that are not written cost nothing.
constexpr size_t kMaxCodeBytes = 1 << 20;
constexpr int kFrameAlignment = 64;
constexpr int kPageBytes = 4096;

// A quiet NaN as a float, far from any sum as an integer.
constexpr uint32_t kPoison = 0x7fedbad1;

// Alignment within the program is that of the executable memory only if both start at a cache line.
uint8_t* first_cache_line(uint8_t* buffer) {
  return reinterpret_cast<uint8_t*>(round_up(reinterpret_cast<uintptr_t>(buffer), kCacheLineBytes));
}

}  // namespace

X64Code::X64Code(VectorFile vectors)
    : X64Code(vectors, std::make_unique_for_overwrite<uint8_t[]>(kMaxCodeBytes + kCacheLineBytes)) {
}

X64Code::X64Code(VectorFile vectors, std::unique_ptr<uint8_t[]> buffer)
    : Xbyak::CodeGenerator(kMaxCodeBytes, first_cache_line(buffer.get())),
      vectors_(vectors),
      buffer_(std::move(buffer)) {}

std::span<const uint8_t> X64Code::emit(bool poison) {
  poison_ = poison;
  generate();
  align(kCacheLineBytes);
  emit_data();
  ready();  // throws if a label was used and never placed
  return {getCode(), getSize()};
}

void X64Code::prologue(int scratch_bytes) {
  push(rbp);
  mov(rbp, rsp);
  for (const Xbyak::Reg64& saved : {rbx, r12, r13, r14, r15}) push(saved);
  reserve_stack(scratch_bytes);
  and_(rsp, -kFrameAlignment);
  if (poison_) poison_vectors();
}

void X64Code::reserve_stack(int bytes) {
  const int pages = bytes / kPageBytes;
  if (pages > 0) {
    Xbyak::Label next;
    mov(eax, pages);
    L(next);
    sub(rsp, kPageBytes);
    or_(dword[rsp], 0);
    dec(eax);
    jnz(next);
  }
  sub(rsp, bytes % kPageBytes);
}

void X64Code::finish() {
  vzeroupper();
  lea(rsp, ptr[rbp - 5 * 8]);
  for (const Xbyak::Reg64& saved : {r15, r14, r13, r12, rbx}) pop(saved);
  pop(rbp);
  ret();
}

void X64Code::broadcast(const Xbyak::Xmm& to, uint32_t pattern) {
  const Xbyak::Xmm low(to.getIdx());
  mov(eax, pattern);
  vmovd(low, eax);
  vpbroadcastd(to, low);
}

void X64Code::poison_vectors() {
  for (int i = 0; i < vectors_.count; ++i) broadcast(vec(i), kPoison);
}

}  // namespace bitnetc::x64
