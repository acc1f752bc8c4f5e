// The raw material of CpuFeatures: what CPUID and XGETBV answer, behind two functions, so that a
// test can feed the answers of any CPU.
#pragma once

#include <cstdint>
#include <functional>

#include "runtime/cpu_features.h"

namespace bitnetc {

struct CpuidRegisters {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

struct CpuidSource {
  std::function<CpuidRegisters(uint32_t leaf, uint32_t subleaf)> cpuid;
  std::function<uint64_t()> xcr0;  // called only when CPUID says that XGETBV exists
};

CpuFeatures decode_cpuid(const CpuidSource& source);

}  // namespace bitnetc
