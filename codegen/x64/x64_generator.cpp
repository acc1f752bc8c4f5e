#include "codegen/x64/x64_generator.h"

#include <algorithm>

#include "codegen/x64/matmul_program.h"

namespace bitnetc::x64 {
namespace {

constexpr int kMaxUnroll = 16;
constexpr int kMaxPrefetchBytes = 1 << 18;
constexpr int kMaxTilesPerStep = 8;

Result<Kernel> to_kernel(X64Code& program, const KernelRequest& request, const std::string& name,
                         const BuildSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(auto memory, publish_program(program, request, name, settings));
  const auto entry =
      reinterpret_cast<Kernel::Entry>(reinterpret_cast<uintptr_t>(memory->span().rx));
  return Kernel(name, entry, nullptr, std::move(memory));
}

// "m = 1", "m = 1..8", "any m"
std::string token_counts(int first, int last) {
  if (first == kAnyM) return "any m";
  return first == last ? fmt::format("m = {}", first) : fmt::format("m = {}..{}", first, last);
}

// The values that all families allow; a family may allow fewer.
Status check_values(const DirectPlan& plan) {
  const int tiles = plan.tiles_per_step;
  if (tiles != 1 && tiles != 2 && tiles != 4 && tiles != kMaxTilesPerStep) {
    return make_error(StatusCode::kUnsupported, "tiles_per_step = {}, expected 1, 2, 4 or 8",
                      tiles);
  }
  if (plan.k_unroll < 1 || plan.k_unroll > kMaxUnroll) {
    return make_error(StatusCode::kUnsupported, "k_unroll = {}, expected 1..{}", plan.k_unroll,
                      kMaxUnroll);
  }
  if (plan.prefetch_bytes < 0 || plan.prefetch_bytes > kMaxPrefetchBytes) {
    return make_error(StatusCode::kUnsupported, "prefetch_bytes = {}, expected 0..{}",
                      plan.prefetch_bytes, kMaxPrefetchBytes);
  }
  return {};
}

class MatmulGenerator final : public Generator {
 public:
  explicit MatmulGenerator(const MatmulFamily& family) : family_(family) {}

  std::string_view name() const override { return family_.name; }
  std::string_view suffix() const override { return family_.suffix; }
  int revision() const override { return family_.revision; }
  GeneratorKind kind() const override { return GeneratorKind::kGenerated; }

  Status accepts(const KernelRequest& request) const override {
    const auto* spec = std::get_if<MatmulSpec>(&request.spec);
    if (!spec) return {StatusCode::kUnsupported, "makes matmul kernels only"};
    if (!family_.layouts.contains(spec->layout)) {
      return make_error(StatusCode::kUnsupported, "reads layout {}, the matrix is {}",
                        family_.layouts.describe(), layout_name(spec->layout));
    }
    if (spec->m < family_.min_m || spec->m > family_.max_m) {
      return make_error(StatusCode::kUnsupported, "is made for {}, not for {}",
                        token_counts(family_.min_m, family_.max_m), token_counts(spec->m, spec->m));
    }
    if (!request.target.supports(family_.isa)) {
      return make_error(StatusCode::kUnsupported, "needs {}, target is {}", isa_name(family_.isa),
                        request.target.describe());
    }
    if (family_.vbmi_layouts.contains(spec->layout) && !request.target.has(Feature::kAvx512Vbmi)) {
      return make_error(StatusCode::kUnsupported,
                        "needs AVX512_VBMI for layout {}, target has none",
                        layout_name(spec->layout));
    }
    if (spec->k >= family_.k_limit) {
      return make_error(StatusCode::kUnsupported, "k = {}: an int32 sum may overflow from {} on",
                        spec->k, family_.k_limit);
    }
    BITNETC_RETURN_IF_ERROR(validate(request.spec));
    BITNETC_RETURN_IF_ERROR(check_plan(request.plan, family_.fields, family_.name));
    BITNETC_RETURN_IF_ERROR(check_values(DirectPlan::from(request.plan)));
    return family_.accepts(*spec, request.plan);
  }

  TableForm table_form(const MatmulSpec&) const override { return family_.table_form; }

  PlanFields plan_fields() const override { return family_.fields; }

  KernelPlan effective_plan(const MatmulSpec& spec, const KernelPlan& plan) const override {
    KernelPlan read = plan;
    for (const PlanField& each : family_.fields)
      if (each.worth_trying.empty())
        read = with_value(family_.fields, read, each.letter, each.standard);
    return family_.effective_plan(spec, read);
  }

  std::optional<MatmulWork> work(const MatmulSpec& spec, const KernelPlan& plan,
                                 int64_t tokens) const override {
    MatmulWork work = family_.work(spec, plan, tokens);
    work.tier = family_.isa;
    work.passes = weight_passes(spec, tokens);
    return work;
  }

  Result<Kernel> build(const KernelRequest& request, const std::string& name,
                       const BuildSettings& settings) const override {
    const auto program = family_.program(std::get<MatmulSpec>(request.spec), request.plan);
    return to_kernel(*program, request, name, settings);
  }

 private:
  MatmulFamily family_;
};

template <typename Spec>
class OperationGenerator final : public Generator {
 public:
  explicit OperationGenerator(const OperationFamily<Spec>& family) : family_(family) {}

  std::string_view name() const override { return family_.name; }
  std::string_view suffix() const override { return family_.suffix; }
  int revision() const override { return family_.revision; }
  GeneratorKind kind() const override { return GeneratorKind::kGenerated; }

  Status accepts(const KernelRequest& request) const override {
    const auto* spec = std::get_if<Spec>(&request.spec);
    if (!spec)
      return make_error(StatusCode::kUnsupported, "makes {} kernels only", Operation<Spec>::kName);
    if (!request.target.supports(family_.isa)) {
      return make_error(StatusCode::kUnsupported, "needs {}, target is {}", isa_name(family_.isa),
                        request.target.describe());
    }
    BITNETC_RETURN_IF_ERROR(validate(request.spec));
    return family_.accepts != nullptr ? family_.accepts(*spec) : Status();
  }

  Result<Kernel> build(const KernelRequest& request, const std::string& name,
                       const BuildSettings& settings) const override {
    const auto program = family_.program(std::get<Spec>(request.spec));
    return to_kernel(*program, request, name, settings);
  }

 private:
  OperationFamily<Spec> family_;
};

}  // namespace

Result<std::shared_ptr<const ExecMemory>> publish_program(X64Code& program,
                                                          const KernelRequest& request,
                                                          const std::string& name,
                                                          const BuildSettings& settings) {
  std::span<const uint8_t> code;
  try {
    code = program.emit(settings.poison);
  } catch (const Xbyak::Error& error) {
    return make_error(StatusCode::kUnsupported, "{}: Xbyak: {}", name, error.what());
  }
  BITNETC_ASSIGN_OR_RETURN(std::shared_ptr<const ExecMemory> memory, publish_code(code));
  settings.tell_observer({.name = name,
                          .spec_text = spec_name(request.spec),
                          .plan_text = plan_name(request.plan),
                          .assembly = {},
                          .code = {memory->span().rx, code.size()}});
  return memory;
}

std::string LayoutSet::describe() const {
  std::string text;
  for (const LayoutId id : kLayouts) {
    if (!contains(id)) continue;
    if (!text.empty()) text += ", ";
    text += layout_name(id);
  }
  return text;
}

KernelPlan with_least_unroll(const MatmulSpec& spec, const KernelPlan& plan) {
  const auto blocks = [&](int k_unroll) {
    return blocks_per_iteration(spec.weight_layout().block_columns(), k_unroll);
  };
  DirectPlan least = DirectPlan::from(plan);
  const int64_t wanted = blocks(least.k_unroll);
  while (least.k_unroll > 1 && blocks(least.k_unroll - 1) == wanted) --least.k_unroll;
  return least;
}

std::unique_ptr<Generator> make_matmul_generator(const MatmulFamily& family) {
  return std::make_unique<MatmulGenerator>(family);
}

template <typename Spec>
std::unique_ptr<Generator> make_operation_generator(const OperationFamily<Spec>& family) {
  return std::make_unique<OperationGenerator<Spec>>(family);
}
template std::unique_ptr<Generator> make_operation_generator(const OperationFamily<TablesSpec>&);
template std::unique_ptr<Generator> make_operation_generator(const OperationFamily<ScreenSpec>&);
template std::unique_ptr<Generator> make_operation_generator(const OperationFamily<HeadSpec>&);
template std::unique_ptr<Generator> make_operation_generator(const OperationFamily<SparseUpSpec>&);
template std::unique_ptr<Generator> make_operation_generator(
    const OperationFamily<SparseDownSpec>&);

}  // namespace bitnetc::x64
