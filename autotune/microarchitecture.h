// What the makers call the design of a CPU, from the numbers that CPUID gives.
#pragma once

#include <string_view>

namespace bitnetc {

// "Zen 5", "Sapphire Rapids", "Ice Lake server"; "unknown" for what is not in the table. `vendor`
// is CPUID's text; `family` and `model` with their extensions, as CpuFeatures has them.
std::string_view microarchitecture(std::string_view vendor, int family, int model, int stepping);

}  // namespace bitnetc
