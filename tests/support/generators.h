// Which generators of the build a test is about, found by what they accept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/kernel_builder.h"

namespace bitnetc::test {

// The lowest tier whose target the generator serves this request for; nothing: it declines on all.
std::optional<Target> lowest_target(const Generator& generator, const KernelSpec& spec,
                                    const KernelPlan& plan = {});
// Whether its kernel of this request may be called on this CPU, whatever caps are set.
bool runs_here(const Generator& generator, const KernelSpec& spec, const KernelPlan& plan = {});

// A generator of matmuls and one of the layouts it reads. The reference is none: it is what they
// are compared with.
struct MatmulEngine {
  const Generator* generator;
  LayoutId layout;

  std::string name() const;  // "x64_panel_avx2_tl1"
};
// Every one of the build, best first.
std::vector<MatmulEngine> matmul_engines();

// The generators of a full search for the spec, in the order of the list.
std::vector<const Generator*> competitors(const MatmulSpec& spec, const Target& target);

}  // namespace bitnetc::test
