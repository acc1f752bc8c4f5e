#include "tests/support/gpu_kernels.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "codegen/cuda/nvrtc_compiler.h"
#include "codegen/proof/device_operands.h"
#include "codegen/proof/problem.h"

namespace bitnetc::test {
namespace {

constexpr uint64_t kSeeds[] = {1, 2};

// Zeros of either sign and subnormals among the inputs.
void sprinkle_small_values(proof::OperandBuffers& buffers) {
  constexpr float kSmall[] = {0.0f, -0.0f, 0x1p-140f, -0x1p-126f, 0x1.8p-127f};
  for (const Operand& operand : buffers.operands()) {
    if (operand.role != Role::kInput || operand.type != ElementType::kF32) continue;
    if (operand.per_worker) continue;  // belongs to another operand
    size_t turn = 0;
    const auto values = buffers.get<float>(operand.name);
    for (size_t i = 2; i < values.size(); i += 5) values[i] = kSmall[turn++ % std::size(kSmall)];
  }
}

template <typename Spec>
Status prove_case(const Spec& spec, const proof::CallCase& call_case, uint64_t seed,
                  const Kernel& kernel, Device& device) {
  const auto memory = proof::heap_memory();
  proof::Problem<Spec> expected(spec, call_case, seed, *memory);
  proof::Problem<Spec> got(spec, call_case, seed, *memory);
  if (seed % 2 == 0)
    for (auto* buffers : {&expected.buffers, &got.buffers}) sprinkle_small_values(*buffers);
  Operation<Spec>::kReference(spec, expected.args);
  proof::DeviceOperands on_device(device);
  BITNETC_RETURN_IF_ERROR(on_device.upload(got.buffers));
  on_device.point(&got.args);
  BITNETC_RETURN_IF_ERROR(device.run(kernel, &got.args, sizeof got.args));
  BITNETC_RETURN_IF_ERROR(on_device.download(got.buffers));
  const std::string difference = got.buffers.first_difference(expected.buffers);
  return difference.empty() ? Status() : Status(StatusCode::kDisqualified, difference);
}

}  // namespace

bool nvrtc_is_here() {
  static const Status status = [] {
    const auto found = cuda::find_nvrtc("");
    if (!found.ok())
      std::printf("SKIPPED, nothing was compared: %s\n", found.status().message().c_str());
    return found.status();
  }();
  return status.ok();
}

Result<Kernel> build_gpu_kernel(std::string_view generator, const KernelSpec& spec,
                                const KernelPlan& plan, int sm, const BuildSettings& settings) {
  const Generator* const found = find_generator(generator);
  if (found == nullptr)
    return make_error(StatusCode::kNotFound, "generator '{}' is not part of this build", generator);
  const KernelRequest request{
      .spec = spec, .plan = plan_or_default(plan, found->plan_fields()), .target = gpu_target(sm)};
  BITNETC_RETURN_IF_ERROR(found->accepts(request));
  return found->build(request, kernel_name(request, *found), settings);
}

Status prove_every_case(const KernelSpec& any, const Kernel& kernel, Device& device) {
  return std::visit(
      [&]<typename Spec>(const Spec& spec) -> Status {
        for (const uint64_t seed : kSeeds) {
          if constexpr (std::is_same_v<Spec, MatmulSpec>) {
            BITNETC_RETURN_IF_ERROR(prove(spec, kernel, device, seed));
          } else {
            for (const proof::CallCase& call_case : Operation<Spec>::cases(spec)) {
              BITNETC_RETURN_IF_ERROR(
                  prove_case(spec, call_case, seed, kernel, device)
                      .with_context(
                          fmt::format("{}: {}, seed {}", kernel.name(), call_case.name, seed)));
            }
          }
        }
        return {};
      },
      any);
}

}  // namespace bitnetc::test
