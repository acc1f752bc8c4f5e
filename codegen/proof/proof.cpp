// The start-up proof: a fresh kernel against codegen/reference on small problems of its spec, bit
// by bit. What the problems are follows from the operation's declaration (codegen/proof/problem.h);
// matmuls, whose matrices are large and whose kernels are many, have a proof of their own
// (matmul.cpp).
#include "codegen/kernel_builder.h"
#include "codegen/proof/device_operands.h"
#include "codegen/proof/problem.h"
#include "codegen/proof/support.h"

namespace bitnetc {
namespace proof {
namespace {

template <typename Spec>
Status prove_cases(const Spec& spec, const Kernel& kernel, Device& device, uint64_t seed) {
  DeviceOperands on_device(device);
  for (const CallCase& call_case : Operation<Spec>::cases(spec)) {
    if (!call_case.at_start) continue;
    const std::unique_ptr<OperandMemory> memory = heap_memory();
    Problem<Spec> expected(spec, call_case, seed, *memory), got(spec, call_case, seed, *memory);
    Operation<Spec>::kReference(spec, expected.args);
    BITNETC_RETURN_IF_ERROR(on_device.upload(got.buffers));
    on_device.point(&got.args);
    BITNETC_RETURN_IF_ERROR(run_kernel(device, kernel, got.args));
    BITNETC_RETURN_IF_ERROR(on_device.download(got.buffers));
    const std::string difference = got.buffers.first_difference(expected.buffers);
    if (!difference.empty()) {
      return make_error(StatusCode::kDisqualified, "{}: start-up proof: {}: {}", kernel.name(),
                        call_case.name, difference);
    }
  }
  return {};
}

}  // namespace
}  // namespace proof

Status prove(const KernelSpec& spec, const Kernel& kernel, Device& device, uint64_t seed,
             TableForm form) {
  return std::visit(
      [&]<typename Spec>(const Spec& s) {
        if constexpr (std::is_same_v<Spec, MatmulSpec>)
          return proof::prove_matmul(s, kernel, device, form, seed);
        else
          return proof::prove_cases(s, kernel, device, seed);
      },
      spec);
}

}  // namespace bitnetc
