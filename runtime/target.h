// What we compile for. A `Target` is a plain value: detected once on the machine, or written by
// hand in a test, so every choice that depends on the machine can be exercised on any other
// machine.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bitnetc {

// A tier we write kernels for. On x86-64 each tier contains the ones before it.
enum class Isa {
  kScalar,      // plain C++, any CPU
  kAvx2,        // AVX2 + FMA + F16C: x86-64-v3
  kAvxVnni,     // kAvx2 + VEX-encoded vpdpbusd, 256 bit
  kAvx512Vnni,  // AVX-512 F/BW/DQ/VL + AVX512_VNNI, 512 bit
  kAmx,         // kAvx512Vnni + VBMI + AMX-INT8 tiles, allowed by the operating system
};

std::string_view isa_name(Isa isa);  // "scalar", "avx2", "avxvnni", "avx512vnni", "amx"
std::optional<Isa> parse_isa(std::string_view name);  // the inverse; nothing for an unknown name

struct Target {
  Isa best_isa = Isa::kScalar;  // the highest tier, after any cap
  bool has_avx_vnni = false;  // AVX-512 machines without AVX-VNNI exist (Ice Lake), and the reverse
  bool has_vbmi = false;      // AVX512_VBMI; AVX512_VNNI came first (Cascade Lake)

  // Whether code of this tier runs here.
  bool supports(Isa isa) const;
  std::string describe() const;  // "avx512vnni", for messages

  bool operator==(const Target&) const = default;
};

// A target that has exactly the tiers up to `isa`.
Target target_for(Isa isa);

// `machine` without the tiers above `cap`. A cap the machine does not reach changes nothing; a cap
// it merely lacks (avxvnni on Ice Lake) leaves the next tier below.
Target cap_target(const Target& machine, std::optional<Isa> cap);

}  // namespace bitnetc
