// Sentences about a machine: which kernels it gets and why no better ones, which CPUs count, what
// pages and neighbours do to speed. Pure functions, so that every sentence can be tested anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "autotune/huge_pages.h"
#include "autotune/machine.h"
#include "autotune/noise.h"

namespace bitnetc {

// Why there are no kernels of a tier here: "this CPU has no amx_int8". Empty if there are.
// `cap`: BITNETC_ISA.
std::string why_not(Isa isa, const Machine& machine, std::optional<Isa> cap);

// Affinity and quota, SMT siblings, memory nodes.
std::vector<std::string> notes_on_cpus(const Machine& machine);

struct PageObservation {
  HugePageState state;
  int64_t advised_bytes = 0;                  // of a region that asked for huge pages
  std::optional<int64_t> advised_huge_bytes;  // nothing: the system does not tell
  int64_t model_bytes = 0;                    // of a mapped model file; 0: none was mapped
  std::optional<int64_t> model_huge_bytes;
};
std::vector<std::string> notes_on_pages(const PageObservation& pages);

// Virtual machines, other load while measuring, the clock.
std::vector<std::string> notes_on_noise(const Machine& machine, const Disturbance& disturbance,
                                        const ClockState& clock);

// Problems that can be fixed, each with its remedy.
std::vector<std::string> problems_of(const Machine& machine, std::optional<Isa> cap);

}  // namespace bitnetc
