// One instruction of every feature this project uses, to be run with faults caught: what CPUID says
// is a promise, what runs is a fact. The table is an argument, so that a test can put in an
// instruction that faults.
#pragma once

#include <span>

#include "runtime/cpu_features.h"
#include "runtime/fault_guard.h"
#include "runtime/status.h"

namespace bitnetc {

struct FeatureProbe {
  Feature feature;
  GuardedFunction run;  // takes no state
};

// All features but AMX, whose instructions fault until the system was asked (runtime/amx.h). Empty
// on other CPUs than x86-64.
std::span<const FeatureProbe> feature_probes();

// Runs the probes of the features that are claimed. One that faults goes from `features` to
// `refused`.
void drop_refused(CpuFeatures& features, std::span<const FeatureProbe> probes);

// Configures tiles, multiplies and releases them; null on other CPUs than x86-64.
GuardedFunction tile_probe();
// Error: kUnsupported naming the signal that the probe raised.
Status check_tiles(GuardedFunction probe);

}  // namespace bitnetc
