#include "codegen/llvm/llvm_target.h"

namespace bitnetc {

LlvmTier llvm_tier(const Target& target) {
  if (target.architecture != Architecture::kX86_64) return {"generic", "generic", "", "128"};
  if (target.supports(Isa::kAvx512Vnni)) {
    return {"x86-64", "x86-64-v4", "+avx2,+fma,+f16c,+avx512f,+avx512bw,+avx512dq,+avx512vl",
            "512"};
  }
  return {"x86-64", "x86-64-v3", "+avx2,+fma,+f16c", "256"};
}

std::string llvm_target_text(const Target& target) {
  const LlvmTier tier = llvm_tier(target);
  return fmt::format("{} {} tuned for {} {} {} bits", BITNETC_LLVM_TRIPLE, tier.cpu, tier.tune_cpu,
                     *tier.features ? tier.features : "-", tier.vector_bits);
}

std::string llvm_toolchain() {
  return "LLVM " BITNETC_LLVM_VERSION;
}

Status llvm_accepts(const Target& target) {
  if (target.architecture != kHostArchitecture) {
    return make_error(StatusCode::kUnsupported, "makes code for {}, target is {}",
                      BITNETC_LLVM_TRIPLE, target.describe());
  }
  if (target.architecture == Architecture::kX86_64 && !target.supports(Isa::kAvx2)) {
    return Status(
        StatusCode::kUnsupported,
        "target scalar has no fused multiply-add: each would be a call into libm, and generated "
        "code links to no library");
  }
  return exec_memory_available();
}

}  // namespace bitnetc
