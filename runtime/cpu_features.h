// What this machine's CPU can do: CPUID and XGETBV are read (a feature whose register state the
// operating system does not save does not count), then an instruction of every feature is run,
// because a hypervisor may refuse what CPUID promises. Detected once, in microseconds; any thread
// may ask.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

struct CpuFeatures {
  std::string vendor;  // "AuthenticAMD"
  std::string brand;   // "AMD EPYC 7B13"
  int family = 0, model = 0, stepping = 0;
  bool avx2 = false, fma = false, f16c = false;
  bool avx512f = false, avx512bw = false, avx512dq = false, avx512vl = false;
  bool avx512_vnni = false, avx_vnni = false;
  bool avx512_vbmi = false, gfni = false;
  bool amx_int8 =
      false;  // whether tiles can be used is known once they were asked for (runtime/amx.h)
  std::string hypervisor;  // what it calls itself ("KVM"), empty on bare metal
  // Features that CPUID claims and whose instructions fault. They are false above.
  std::vector<std::string> refused;
};

const CpuFeatures& cpu_features();

// Every feature there is a member for, in a fixed order: "avx2", "fma", ...
struct NamedFeature {
  std::string_view name;
  bool CpuFeatures::* member;
};
const std::vector<NamedFeature>& named_features();
// The names of those that are true.
std::vector<std::string> feature_names(const CpuFeatures& features);

// The tiers those features make up, before any cap. `tiles_allowed`: whether the operating system
// lets this process use AMX tiles (runtime/amx.h); without it there is no AMX tier.
Target target_of(const CpuFeatures& features, bool tiles_allowed);

// This machine's tiers, before any cap. Where the CPU has AMX, the system is asked for the tiles.
Target machine_target();

// machine_target() with `cap` applied. A cap below AMX asks for nothing.
Target host_target(std::optional<Isa> cap = std::nullopt);

// Ok unless `cap` names a tier `machine` lacks; then what is used instead, for a warning.
Status check_isa_cap(const Target& machine, std::optional<Isa> cap);

}  // namespace bitnetc
