#include "tests/support/generators.h"

#include <set>

#include "autotune/search_space.h"
#include "runtime/cpu_features.h"

namespace bitnetc::test {
namespace {

constexpr Isa kIsas[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};

bool makes_matmuls(const Generator& generator, LayoutId layout) {
  for (const int64_t k : {64, 2560}) {
    for (int m = kAnyM; m <= kMaxSmallM; ++m) {
      const MatmulSpec spec{.n = 64, .k = k, .m = m, .layout = layout};
      if (lowest_target(generator, spec)) return true;
    }
  }
  return false;
}

}  // namespace

std::optional<Target> lowest_target(const Generator& generator, const KernelSpec& spec,
                                    const KernelPlan& plan) {
  for (const Isa isa : kIsas)
    if (generator.accepts({spec, plan, target_for(isa)}).ok()) return target_for(isa);
  return std::nullopt;
}

bool runs_here(const Generator& generator, const KernelSpec& spec, const KernelPlan& plan) {
  return generator.accepts({spec, plan, machine_target()}).ok();
}

std::string MatmulEngine::name() const {
  std::string name(generator->name());
  const std::string layout_part = "_" + std::string(layout_name(layout));
  // Generators of one layout bear its name already.
  if ((name + "_").find(layout_part + "_") == std::string::npos) name += layout_part;
  return name;
}

std::vector<MatmulEngine> matmul_engines() {
  std::vector<MatmulEngine> engines;
  for (const auto& generator : KernelBuilder::generators()) {
    if (generator->kind() == GeneratorKind::kReference) continue;
    for (const LayoutId layout : kLayouts)
      if (makes_matmuls(*generator, layout)) engines.push_back({generator.get(), layout});
  }
  return engines;
}

std::vector<const Generator*> competitors(const MatmulSpec& spec, const Target& target) {
  std::set<const Generator*> found;
  for (const Candidate& candidate : candidates(spec, target, Effort::kFull))
    found.insert(candidate.generator);
  std::vector<const Generator*> list;
  for (const auto& generator : KernelBuilder::generators())
    if (found.contains(generator.get())) list.push_back(generator.get());
  return list;
}

}  // namespace bitnetc::test
