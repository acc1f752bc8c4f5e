#include "runtime/target.h"

#include <algorithm>

namespace bitnetc {

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return "scalar";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvxVnni: return "avxvnni";
    case Isa::kAvx512Vnni: return "avx512vnni";
    case Isa::kAmx: return "amx";
  }
  return "?";
}

std::optional<Isa> parse_isa(std::string_view name) {
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx})
    if (name == isa_name(isa)) return isa;
  return std::nullopt;
}

bool Target::supports(Isa isa) const {
  if (isa == Isa::kAvxVnni && !has_avx_vnni) return false;
  return isa <= best_isa;
}

std::string Target::describe() const {
  return std::string(isa_name(best_isa));
}

Target target_for(Isa isa) {
  return {
      .best_isa = isa, .has_avx_vnni = isa >= Isa::kAvxVnni, .has_vbmi = isa >= Isa::kAvx512Vnni};
}

Target cap_target(const Target& machine, std::optional<Isa> cap) {
  if (!cap) return machine;
  Target capped = {.best_isa = std::min(machine.best_isa, *cap),
                   .has_avx_vnni = machine.has_avx_vnni && *cap >= Isa::kAvxVnni,
                   .has_vbmi = machine.has_vbmi && *cap >= Isa::kAvx512Vnni};
  if (!capped.supports(capped.best_isa)) capped.best_isa = Isa::kAvx2;
  return capped;
}

}  // namespace bitnetc
