// Entries of profiles for tests: valid, and no more than the test says.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autotune/profile.h"

namespace bitnetc::test {

struct ScriptedKernel {
  std::string generator;
  KernelPlan plan;
  double median_s = 50e-6;
};

// Measured by the best first; the field is what this build has for the spec on `target`, so that
// the entry is not stale. Kernels that this build lacks have revision 1.
ProfileEntry scripted_entry(const MatmulSpec& spec, const Target& target, int threads,
                            const std::vector<ScriptedKernel>& kernels);

}  // namespace bitnetc::test
