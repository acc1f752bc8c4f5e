// Every way this build has of running a matmul here: generators x plans. Which plans are worth
// trying each generator says itself (Generator::plan_fields); the rules that cut the space down
// further stand in one table, in words as well as in code.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/kernel_builder.h"
#include "codegen/kernel_spec.h"

namespace bitnetc {

enum class Effort {
  kQuick,  // the rule of thumb and its neighbours, and what competes with it
  kFull,   // every plan of the grid that a generator accepts
};
std::string_view effort_name(Effort effort);  // "quick", "full"
std::optional<Effort> parse_effort(std::string_view name);

// One kernel to try. `spec` is what it is built for: as asked, or for any M where a kernel for any
// M is to serve one M.
struct Candidate {
  const Generator* generator = nullptr;
  MatmulSpec spec;
  KernelPlan plan;

  KernelRequest request(const Target& target) const;
};

// Candidates of all generators but the reference, no two of which do the same. `spec`: layout and m
// count. The first is what is used where nothing is known: the rule of thumb's plan for the first
// generator of the list. Those of kQuick are among those of kFull. Empty only where the reference
// alone serves the spec, or the spec is none (validate()); never on a CPU with AVX2.
std::vector<Candidate> candidates(const MatmulSpec& spec, const Target& target, Effort effort);

// The dimensions, their values, and the constraints, in words: what `bitnetc autotune --space`
// prints.
std::string describe_search_space();

}  // namespace bitnetc
