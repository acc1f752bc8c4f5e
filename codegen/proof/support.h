// What the start-up proofs share: runs and comparisons.
#pragma once

#include <cstring>
#include <string>

#include "codegen/kernel_spec.h"
#include "runtime/device.h"
#include "runtime/kernel.h"
#include "runtime/kernel_args.h"
#include "runtime/status.h"

namespace bitnetc::proof {

// Runs the kernel on its device; a crash is the kernel's failure, not ours.
template <typename Args>
Status run_kernel(Device& device, const Kernel& kernel, const Args& args) {
  const Status status = device.run(kernel, &args, sizeof args);
  if (status.ok()) return {};
  return make_error(StatusCode::kDisqualified, "{}: start-up proof: {}", kernel.name(),
                    status.message());
}

// Compares bits. `what` names the output: "y of token 3".
template <typename T>
Status compare(const Kernel& kernel, const std::string& what, const T* got, const T* expected,
               int64_t count) {
  if (std::memcmp(got, expected, static_cast<size_t>(count) * sizeof(T)) == 0) return {};
  int64_t i = 0;
  while (std::memcmp(got + i, expected + i, sizeof(T)) == 0) ++i;
  return make_error(StatusCode::kDisqualified,
                    "{}: start-up proof: {}: element {} is {}, the reference says {}",
                    kernel.name(), what, i, got[i], expected[i]);
}

// matmul.cpp
Status prove_matmul(const MatmulSpec& spec, const Kernel& kernel, Device& device, TableForm form,
                    uint64_t seed);

}  // namespace bitnetc::proof
