#include "tools/engine/matrices.h"

#include <algorithm>

#include "codegen/kernel_builder.h"
#include "runtime/linked_steps.h"

namespace bitnetc {
namespace {

void add_to(std::vector<MatrixGroup>& groups, std::string role, const MatmulSpec& spec) {
  for (MatrixGroup& group : groups) {
    if (group.role != role || group.spec != spec) continue;
    ++group.count;
    return;
  }
  groups.push_back({.role = std::move(role), .spec = spec, .count = 1});
}

// A kernel's name without its number of tokens: "..._m3_..." -> "..._m*_...".
std::string name_for_some_tokens(const std::string& name, size_t m) {
  const std::string word = fmt::format("_m{}_", m);
  const size_t at = name.find(word);
  return at == std::string::npos ? name
                                 : name.substr(0, at) + "_m*_" + name.substr(at + word.size());
}

// One line per run of token counts whose kernels differ in nothing but that count; the last run
// goes on for ever.
std::string kernel_lines(const MatmulStep& step) {
  std::vector<std::string> names;  // for 1, 2, ... kMaxBakedM tokens, and for more
  for (size_t m = 1; m <= kMaxBakedM; ++m)
    names.push_back(name_for_some_tokens(step.kernel(static_cast<int64_t>(m)).name(), m));
  names.push_back(step.kernel(kMaxBakedM + 1).name());
  std::string text;
  for (size_t first = 0, end; first < names.size(); first = end) {
    end = first + 1;
    while (end < names.size() && names[end] == names[first]) ++end;
    std::string tokens = fmt::format("{}", first + 1);
    if (end == names.size()) {
      tokens += "+";
    } else if (end - first > 1) {
      tokens += fmt::format("-{}", end);
    }
    const bool alone = end - first == 1 && end < names.size();
    text += fmt::format("  {:<6} {}\n", tokens,
                        alone ? step.kernel(static_cast<int64_t>(end)).name() : names[first]);
  }
  return text;
}

}  // namespace

std::string matrix_role(const std::string& step_name) {
  return step_name.substr(step_name.rfind('.') + 1);
}

std::vector<MatrixGroup> matrix_groups(const Program& program) {
  std::vector<MatrixGroup> groups;
  for (const Step& step : program.steps) {
    if (step.operation() != "matmul") continue;
    if (auto spec = parse_spec(step.kernel); spec.ok())
      add_to(groups, matrix_role(step.name), std::get<MatmulSpec>(*spec));
  }
  return groups;
}

std::string matmul_table(const Executable& executable) {
  std::vector<MatrixGroup> groups;
  struct First {
    const MatmulStep* matmul;
    const LinkedStep* tables;  // the step before it that makes its tables, or null
  };
  std::vector<First> firsts;
  const LinkedStep* before = nullptr;
  for (const auto& step : executable.steps) {
    const LinkedStep* last = std::exchange(before, step.get());
    const auto* matmul = dynamic_cast<const MatmulStep*>(step.get());
    if (matmul == nullptr) continue;
    auto identity = parse_kernel_name(matmul->kernel().name());
    if (!identity.ok()) continue;
    add_to(groups, matrix_role(matmul->name()), std::get<MatmulSpec>(identity->spec));
    if (groups.size() > firsts.size())
      firsts.push_back({matmul, last != nullptr && last->operation() == "tables" ? last : nullptr});
  }
  std::string text;
  for (size_t i = 0; i < groups.size(); ++i) {
    const WeightLayout layout = groups[i].spec.weight_layout();
    text += fmt::format("{} ({} of {} x {}): {}, {:.2f} bits a weight\n", groups[i].role,
                        groups[i].count, layout.n, layout.k, layout_name(layout.id),
                        layout.bits_per_weight());
    text += kernel_lines(*firsts[i].matmul);
    if (firsts[i].tables != nullptr)
      text += fmt::format("  {:<6} {}\n", "tables", firsts[i].tables->kernel().name());
  }
  return text;
}

}  // namespace bitnetc
