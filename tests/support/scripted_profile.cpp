#include "tests/support/scripted_profile.h"

#include <algorithm>

#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"

namespace bitnetc::test {

ProfileEntry scripted_entry(const MatmulSpec& spec, const Target& target, int threads,
                            const std::vector<ScriptedKernel>& kernels) {
  ProfileEntry entry{.key = {.spec = spec, .target = target.name(), .threads = threads},
                     .confidence = Confidence::kSure,
                     .measured_at_s = 1'795'275'840,  // 2026-11-21T15:44:00Z
                     .took_s = 1.82,
                     .field = current_field(spec, target),
                     .measurements = {}};
  for (const ScriptedKernel& kernel : kernels) {
    const Generator* generator = find_generator(kernel.generator);
    entry.measurements.push_back({.generator = kernel.generator,
                                  .revision = generator != nullptr ? generator->revision() : 1,
                                  .plan = plan_or_default(kernel.plan, kIgnoredFields),
                                  .predicted_s = 0,
                                  .median_s = kernel.median_s,
                                  .low_s = kernel.median_s,
                                  .high_s = kernel.median_s,
                                  .samples = 37});
    const std::string label = entry.measurements.back().label();
    if (!std::ranges::binary_search(entry.field, label)) entry.field.push_back(label);
    std::ranges::sort(entry.field);
  }
  return entry;
}

}  // namespace bitnetc::test
