// What we compile for: an architecture, the features of its CPU or the number of its GPU. A
// `Target` is a plain value: detected once on the machine, or written by hand in a test, so every
// choice that depends on the machine can be exercised on any other machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/feature_set.h"
#include "runtime/status.h"

namespace bitnetc {

enum class Architecture : uint8_t {
  kX86_64,
  kAArch64,
  kOther,  // any other CPU
  kCuda,   // NVIDIA GPUs
};

// The architecture that this program runs on, the one that code generated here can be called on.
#if defined(__x86_64__)
inline constexpr Architecture kHostArchitecture = Architecture::kX86_64;
#elif defined(__aarch64__)
inline constexpr Architecture kHostArchitecture = Architecture::kAArch64;
#else
inline constexpr Architecture kHostArchitecture = Architecture::kOther;
#endif

// A tier we write kernels for: a named set of x86-64 features. Each contains the ones before it,
// but for AVX-VNNI, which machines of higher tiers may lack (Ice Lake, Zen 4).
enum class Isa {
  kScalar,      // no feature: plain C++, which any CPU runs
  kAvx2,        // AVX2 + FMA + F16C: x86-64-v3
  kAvxVnni,     // kAvx2 + VEX-encoded vpdpbusd, 256 bit
  kAvx512Vnni,  // kAvx2 + AVX-512 F/BW/DQ/VL + AVX512_VNNI, 512 bit
  kAmx,         // kAvx512Vnni + VBMI + AMX-INT8 tiles, allowed by the operating system
};

std::string_view isa_name(Isa isa);  // "scalar", "avx2", "avxvnni", "avx512vnni", "amx"
std::optional<Isa> parse_isa(std::string_view name);  // the inverse; nothing for an unknown name
FeatureSet features_of(Isa isa);                      // what code of the tier executes

struct Target {
  Architecture architecture = Architecture::kX86_64;
  FeatureSet features;  // of a CPU, those that a kernel may ask for; after any cap
  int sm = 0;           // of a GPU, its compute capability without the point: 90

  bool is_cpu() const { return architecture != Architecture::kCuda; }
  bool has(Feature feature) const { return features.contains(feature); }
  // Whether code of this tier runs here.
  bool supports(Isa isa) const;
  // The highest tier that is supported. Nothing: a GPU.
  std::optional<Isa> best_tier() const;

  // What stands in profiles, .bnc files and reports: the best tier of an x86-64 CPU ("avx512vnni"),
  // the architecture of another ("aarch64"), or "sm_90".
  std::string name() const;
  // All of it, read back by parse_target. For x86-64: the name, then what the features have beside
  // those of target_for(best tier), and what they lack: "avx512vnni-avx_vnni".
  std::string describe() const;

  bool operator==(const Target&) const = default;
};

// Error: kInvalidArgument naming the text and the forms that were expected.
Result<Target> parse_target(std::string_view text);

// An x86-64 target that has exactly the tiers up to `isa`; with AVX-512 it has VBMI, too.
Target target_for(Isa isa);

// `machine` without the features of tiers above `cap`. A cap the machine does not reach changes
// nothing; a cap it merely lacks (avxvnni on Ice Lake) leaves the next tier below. Tiers are of
// x86-64: other targets stay as they are.
Target cap_target(const Target& machine, std::optional<Isa> cap);

}  // namespace bitnetc
