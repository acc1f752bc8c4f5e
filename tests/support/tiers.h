// Tiers that a test would run kernels of: one that this CPU lacks is said, not passed over in silence.
#pragma once

#include <cstdio>
#include <string>

#include "runtime/cpu_features.h"

namespace bitnetc::test {

inline bool tier_runs_here(Isa isa) {
  if (host_target().supports(isa)) return true;
  std::printf("SKIPPED tier %s: this CPU lacks it\n", std::string(isa_name(isa)).c_str());
  return false;
}

}  // namespace bitnetc::test
