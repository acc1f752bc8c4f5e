// What this machine's CPU can do: CPUID and XGETBV are read (a feature whose register state the
// operating system does not save does not count), then an instruction of every feature is run,
// because a hypervisor may refuse what CPUID promises. Detected once, in microseconds; any thread
// may ask.
#pragma once

#include <optional>
#include <string>

#include "runtime/feature_set.h"
#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

struct CpuFeatures {
  std::string vendor;  // "AuthenticAMD"
  std::string brand;   // "AMD EPYC 7B13"
  int family = 0, model = 0, stepping = 0;
  Architecture architecture = Architecture::kX86_64;
  // Whether the tiles of kAmxInt8 can be used is known once they were asked for (runtime/amx.h).
  FeatureSet features;
  std::string hypervisor;  // what it calls itself ("KVM"), empty on bare metal
  // Features that CPUID claims and whose instructions fault. They are not among those above.
  FeatureSet refused;

  bool has(Feature feature) const { return features.contains(feature); }
};

const CpuFeatures& cpu_features();

// The target that has those features, before any cap, without the ones that no kernel asks for.
// `tiles_allowed`: whether the operating system lets this process use AMX tiles (runtime/amx.h);
// without it the target has none.
Target target_of(const CpuFeatures& features, bool tiles_allowed);

// This machine, before any cap. Where the CPU has AMX, the system is asked for the tiles.
Target machine_target();

// machine_target() with `cap` applied. A cap below AMX asks for nothing.
Target host_target(std::optional<Isa> cap = std::nullopt);

// Ok unless `cap` names a tier `machine` lacks; then what is used instead, for a warning.
Status check_isa_cap(const Target& machine, std::optional<Isa> cap);

}  // namespace bitnetc
