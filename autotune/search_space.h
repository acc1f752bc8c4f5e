// Every way this build has of running a matmul here: generators x plans. The rules that cut the space down stand in one
// place, in words as well as in code.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel_builder.h"
#include "codegen/kernel_spec.h"

namespace bitnetc {

enum class Effort {
  kQuick,  // plans that have ever won, and their neighbours
  kFull,   // every plan of the grid that a generator accepts
};
std::string_view effort_name(Effort effort);  // "quick", "full"
std::optional<Effort> parse_effort(std::string_view name);

// One kernel to try. `spec` is what it is built for: as asked, or for any M where a kernel for any M is to serve one M.
struct Candidate {
  const Generator* generator = nullptr;
  MatmulSpec spec;
  KernelPlan plan;

  KernelRequest request(const Target& target) const;
};

// Candidates of all generators but the reference. `spec`: layout and m count. Never empty on a CPU with AVX2.
std::vector<Candidate> candidates(const MatmulSpec& spec, const Target& target, Effort effort);

// The dimensions, their values, and the constraints, in words: what `bitnetc autotune --space` prints.
std::string describe_search_space();

}  // namespace bitnetc
