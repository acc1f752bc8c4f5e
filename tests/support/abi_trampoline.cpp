#include "tests/support/abi_trampoline.h"

#include <cstdint>

#if defined(__x86_64__)

// Filled by the assembly below; the names are its symbols.
extern "C" {
uint64_t bitnetc_abi_before[7];  // rbx, rbp, r12, r13, r14, r15, rsp as they were at the call
uint64_t bitnetc_abi_after[7];   // the same when it returned
uint64_t bitnetc_abi_flags;
uint32_t bitnetc_abi_mxcsr[2];
void bitnetc_abi_call(bitnetc::Kernel::Entry entry, const void* args, const void* context);
}

// The stack pointer comes back from memory, so that even a kernel that loses it is survived.
asm(R"(
.text
.p2align 4
.globl bitnetc_abi_call
.type bitnetc_abi_call, @function
bitnetc_abi_call:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %rsi
  leaq bitnetc_abi_before(%rip), %rcx
  movq 0(%rcx), %rbx
  movq 8(%rcx), %rbp
  movq 16(%rcx), %r12
  movq 24(%rcx), %r13
  movq 32(%rcx), %r14
  movq 40(%rcx), %r15
  movq %rsp, 48(%rcx)
  leaq bitnetc_abi_mxcsr(%rip), %rcx
  stmxcsr 0(%rcx)
  call *%rax
  leaq bitnetc_abi_after(%rip), %rcx
  movq %rbx, 0(%rcx)
  movq %rbp, 8(%rcx)
  movq %r12, 16(%rcx)
  movq %r13, 24(%rcx)
  movq %r14, 32(%rcx)
  movq %r15, 40(%rcx)
  movq %rsp, 48(%rcx)
  leaq bitnetc_abi_before(%rip), %rcx
  movq 48(%rcx), %rsp
  pushfq
  popq bitnetc_abi_flags(%rip)
  cld
  leaq bitnetc_abi_mxcsr(%rip), %rcx
  stmxcsr 4(%rcx)
  ldmxcsr 0(%rcx)
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret
.size bitnetc_abi_call, .-bitnetc_abi_call
)");

namespace bitnetc::test {

std::string call_and_check_abi(Kernel::Entry entry, const void* args, const void* context) {
  constexpr const char* kNames[7] = {"rbx", "rbp", "r12", "r13", "r14", "r15", "rsp"};
  constexpr uint64_t kDirectionFlag = 1U << 10;
  constexpr uint32_t kMxcsrControl = 0xffc0;  // without the sticky exception flags
  for (uint64_t i = 0; i < 6; ++i) bitnetc_abi_before[i] = 0x5afe000000000000 + 0x1111 * (i + 1);
  bitnetc_abi_call(entry, args, context);
  std::string broken;
  const auto report = [&](const char* what) {
    broken += broken.empty() ? "" : "; ";
    broken += what;
    broken += " changed";
  };
  for (int i = 0; i < 7; ++i)
    if (bitnetc_abi_before[i] != bitnetc_abi_after[i]) report(kNames[i]);
  if (bitnetc_abi_flags & kDirectionFlag) report("direction flag");
  if ((bitnetc_abi_mxcsr[0] ^ bitnetc_abi_mxcsr[1]) & kMxcsrControl) report("MXCSR");
  return broken;
}

}  // namespace bitnetc::test

#else

namespace bitnetc::test {

// Other CPUs run compiled kernels only, whose compiler keeps the ABI.
std::string call_and_check_abi(Kernel::Entry entry, const void* args, const void* context) {
  entry(args, context);
  return {};
}

}  // namespace bitnetc::test

#endif
