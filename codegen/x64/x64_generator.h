// The Generator of every matmul program in this folder: checks a request against the family's
// limits, has the program written, publishes it. A family is a row of numbers and two functions.
#pragma once

#include <memory>
#include <string_view>

#include "codegen/kernel_builder.h"
#include "codegen/x64/x64_code.h"

namespace bitnetc::x64 {

struct MatmulFamily {
  std::string_view name;  // "x64_matmul_i2s_avx2"
  Isa isa;
  int revision;
  int64_t k_limit;  // K below this cannot overflow an accumulator
  // Refuses what the tier's registers cannot hold, with the numbers.
  Status (*accepts)(const MatmulSpec& spec, const KernelPlan& plan);
  std::unique_ptr<X64Code> (*program)(const MatmulSpec& spec, const KernelPlan& plan);
};

std::unique_ptr<Generator> make_matmul_generator(const MatmulFamily& family);

}  // namespace bitnetc::x64
