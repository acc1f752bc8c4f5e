// Kernels for GPUs that this machine does not have: compiled by its NVRTC, and run by an
// emulator against codegen/reference, bit by bit.
#pragma once

#include <cstdint>
#include <string_view>

#include "codegen/kernel_builder.h"
#include "runtime/gpu_device.h"

namespace bitnetc::test {

// One of each generation that differs in what its kernels may use: compute capabilities without the
// point.
inline constexpr int kTestedSms[] = {75, 80, 86, 89, 90, 100, 120};
// What every kernel must keep to, so that enough threads fit on a multiprocessor.
inline constexpr int kMostRegisters = 128;

inline Target gpu_target(int sm) {
  return {.architecture = Architecture::kCuda, .features = {}, .sm = sm};
}

// Whether kernels can be compiled here. If not, says so once: what was not compared is said, never
// silent.
bool nvrtc_is_here();

// The kernel of `generator`, whose start-up proof is not made: tests are to find errors themselves.
Result<Kernel> build_gpu_kernel(std::string_view generator, const KernelSpec& spec,
                                const KernelPlan& plan, int sm, const BuildSettings& settings = {});

// Every call worth trying of the spec (Operation<Spec>::cases), also those that no start-up proof
// makes, with two seeds, one of them with zeros of either sign and subnormals among the inputs; for
// matmuls, which list none, the start-up proof with two seeds.
// Error: as prove(), naming the case and the seed.
Status prove_every_case(const KernelSpec& spec, const Kernel& kernel, Device& device);

}  // namespace bitnetc::test
