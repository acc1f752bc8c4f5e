// Which generators serve which operations, found by what they accept of the operations' samples.
// Matmuls, which have a harness of their own (problem.h), are left out.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "codegen/kernel_builder.h"
#include "tests/support/generators.h"

namespace bitnetc::test {

// Calls body.operator()<Spec>() for every operation that lists cases, in the order of the list.
template <typename Body>
void for_each_sampled_operation(Body body) {
  const auto visit = [&]<typename Spec>() {
    if constexpr (!std::is_same_v<Spec, MatmulSpec>) body.template operator()<Spec>();
  };
  [&]<typename... Specs>(const std::variant<Specs...>*) {
    (visit.template operator()<Specs>(), ...);
  }(static_cast<const KernelSpec*>(nullptr));
}

// A generator and the samples of one operation that it serves on some target.
struct OperationEngine {
  const Generator* generator = nullptr;
  std::vector<KernelSpec> specs;

  std::string name() const {  // "static_head_avx2_head"
    return fmt::format("{}_{}", generator->name(), operation_name(specs.front()));
  }
};

// Every one of the build but the reference, which is what kernels are compared with.
inline std::vector<OperationEngine> operation_engines() {
  std::vector<OperationEngine> engines;
  for (const auto& generator : KernelBuilder::generators()) {
    if (generator->name() == "reference") continue;
    for_each_sampled_operation([&]<typename Spec>() {
      OperationEngine engine{.generator = generator.get(), .specs = {}};
      for (const Spec& spec : Operation<Spec>::samples())
        if (lowest_target(*generator, spec)) engine.specs.push_back(spec);
      if (!engine.specs.empty()) engines.push_back(std::move(engine));
    });
  }
  return engines;
}

}  // namespace bitnetc::test
