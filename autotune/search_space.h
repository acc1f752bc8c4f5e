// Every way this build can run a matmul here: generators x plans. Each generator says which plans
// are worth trying (Generator::plan_fields). The rules that cut the space down further stand in one
// table, in words as well as in code.
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

// Candidates of all generators but the reference; no two run the same code. `spec`: layout and m
// count. The first candidate is the choice without any measurement: the rule of thumb's plan for
// the first generator of the list. kFull includes all candidates of kQuick. Empty only if the
// reference alone serves the spec or the spec is invalid (validate()); never on a CPU with AVX2.
std::vector<Candidate> candidates(const MatmulSpec& spec, const Target& target, Effort effort);

// The dimensions, their values, and the constraints, in words: what `bitnetc autotune --space`
// prints.
std::string describe_search_space();

}  // namespace bitnetc
