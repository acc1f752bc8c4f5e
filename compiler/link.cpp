#include "compiler/link.h"

#include <algorithm>
#include <map>

#include "runtime/buffer.h"
#include "runtime/overloaded.h"

namespace bitnetc {
namespace {

class Linker {
 public:
  Linker(const CompiledModel& model, KernelBuilder& builder, const LinkOptions& options,
         LinkReport& report)
      : model_(model), builder_(builder), options_(options), report_(report) {}

  Status link_step(const Step& step, LinkedStep& linked) {
    BITNETC_ASSIGN_OR_RETURN(const KernelSpec spec, parse_spec(step.kernel));
    linked = {.kind = step.kind,
              .name = step.name,
              .input = step.input,
              .output = step.output,
              .residual = step.residual,
              .layer = step.layer};
    BITNETC_RETURN_IF_ERROR(check_kind(step, spec));
    if (const auto* matmul = std::get_if<MatmulSpec>(&spec))
      return link_matmul(step, *matmul, linked);
    BITNETC_RETURN_IF_ERROR(bind_weights(step, spec, linked));
    return build(step, spec, KernelPlan(), linked.kernels[1]);
  }

 private:
  // The spec in a step's kernel name must be of the step's kind and fit the step's buffers.
  Status check_kind(const Step& step, const KernelSpec& spec) const {
    constexpr StepKind kKindOfAlternative[] = {
        StepKind::kMatmul,    StepKind::kNormQuantize, StepKind::kRmsNorm, StepKind::kRopeAppend,
        StepKind::kAttention, StepKind::kEmbed,        StepKind::kHead};
    // Tables are made where a kernel wants them; they are no step of a model.
    static_assert(std::size(kKindOfAlternative) + 1 == std::variant_size_v<KernelSpec>);
    if (spec.index() >= std::size(kKindOfAlternative) ||
        kKindOfAlternative[spec.index()] != step.kind)
      return corrupt(step, fmt::format("kernel {} does not belong to a {} step", step.kernel,
                                       step_kind_name(step.kind)));
    const int64_t model_head_dim = model_.description().config.head_dim;
    const int64_t q_columns = model_.description().config.q_heads * model_head_dim;
    struct Columns {
      int64_t input = 0, output = 0;
    };
    const Columns needed = std::visit(
        Overloaded{
            [](const MatmulSpec& s) -> Columns {
              return {.input = static_cast<int64_t>(round_up(static_cast<size_t>(s.k), kQuantPad)),
                      .output = s.output_columns()};
            },
            [](const NormQuantizeSpec& s) -> Columns {
              return {.input = s.k, .output = s.padded_k()};
            },
            [](const RmsNormSpec& s) -> Columns { return {.input = s.k, .output = s.k}; },
            [](const RopeAppendSpec& s) -> Columns { return {.input = s.qkv_columns()}; },
            [&](const AttentionSpec&) -> Columns {
              return {.input = q_columns, .output = q_columns};
            },
            [](const EmbedSpec& s) -> Columns { return {.output = s.k}; },
            [](const HeadSpec& s) -> Columns { return {.input = s.k}; },
            [](const TablesSpec&) -> Columns { return {}; },
        },
        spec);
    if (columns(step.input) < needed.input || columns(step.output) < needed.output)
      return corrupt(step, "a buffer has fewer columns than " + step.kernel + " needs");
    return check_against_model(step, spec);
  }

  // Numbers a spec shares with the model, and the operands its epilogue needs.
  Status check_against_model(const Step& step, const KernelSpec& spec) const {
    const ModelConfig& config = model_.description().config;
    if (const auto* matmul = std::get_if<MatmulSpec>(&spec)) {
      if ((matmul->epilogue == Epilogue::kResidual) != (step.residual >= 0))
        return corrupt(step, "the residual operand does not match the epilogue of " + step.kernel);
      if (step.residual >= 0 && columns(step.residual) != columns(step.output))
        return corrupt(step, "residual and output differ in their columns");
    }
    if (const auto* rope = std::get_if<RopeAppendSpec>(&spec)) {
      if (rope->q_heads != config.q_heads || rope->kv_heads != config.kv_heads ||
          rope->head_dim != config.head_dim)
        return corrupt(step, "the heads of " + step.kernel + " differ from the model's");
    }
    if (const auto* attention = std::get_if<AttentionSpec>(&spec)) {
      if (attention->head_dim != config.head_dim)
        return corrupt(step, "the head dimension of " + step.kernel + " differs from the model's");
    }
    if (const auto* head = std::get_if<HeadSpec>(&spec)) {
      if (head->n != config.vocab_size)
        return corrupt(step, "the rows of " + step.kernel + " differ from the vocabulary");
    }
    return {};
  }

  int64_t columns(int buffer) const {
    if (buffer < 0) return 0;
    return model_.description().program.buffers[static_cast<size_t>(buffer)].columns;
  }

  Status corrupt(const Step& step, const std::string& why) const {
    return make_error(StatusCode::kDataCorrupt, "{}: step {}: {}", model_.file().origin(),
                      step.name, why);
  }

  Status bind(const Step& step, const std::string& section, int64_t expected_bytes,
              const uint8_t*& out) const {
    BITNETC_ASSIGN_OR_RETURN(const auto bytes, model_.file().section(section));
    if (static_cast<int64_t>(bytes.size()) != expected_bytes)
      return corrupt(step, fmt::format("section {} has {} bytes, {} needs {}", section,
                                       bytes.size(), step.kernel, expected_bytes));
    out = bytes.data();
    return {};
  }

  Status bind_weights(const Step& step, const KernelSpec& spec, LinkedStep& linked) const {
    struct Extent {
      int64_t rows = 0, row_bytes = 0;
    };
    const int64_t vocab = model_.description().config.vocab_size;
    const Extent extent = std::visit(
        Overloaded{
            [](const NormQuantizeSpec& s) -> Extent { return {1, s.k * 4}; },
            [](const RmsNormSpec& s) -> Extent { return {1, s.k * 4}; },
            [&](const EmbedSpec& s) -> Extent { return {vocab, s.k * float_type_bytes(s.type)}; },
            [](const HeadSpec& s) -> Extent { return {s.n, s.k * float_type_bytes(s.type)}; },
            [](const auto&) -> Extent { return {}; },
        },
        spec);
    if (extent.rows == 0) return {};
    linked.rows = extent.rows;
    linked.weight_bytes = extent.rows * extent.row_bytes;
    return bind(step, step.weights, linked.weight_bytes, linked.weights);
  }

  Status link_matmul(const Step& step, MatmulSpec spec, LinkedStep& linked) {
    const WeightLayout layout = spec.weight_layout();
    linked.tiles = layout.tiles();
    linked.tiles_per_unit = is_gated(spec.epilogue) ? 2 : 1;
    linked.tile_bytes = layout.tile_bytes();
    linked.weight_bytes = layout.total_bytes() + linked.tiles * 4;
    BITNETC_RETURN_IF_ERROR(bind(step, step.weights, layout.total_bytes(), linked.weights));
    const uint8_t* scales = nullptr;
    BITNETC_RETURN_IF_ERROR(bind(step, step.scales, linked.tiles * 4, scales));
    linked.scales = reinterpret_cast<const float*>(scales);

    const bool planned_here =
        model_.description().program.target_isa == isa_name(options_.target.best_isa);
    for (spec.m = kAnyM; spec.m <= kMaxSmallM; ++spec.m) {
      KernelPlan plan = options_.plans->plan_for(spec, options_.target);
      const auto stored = step.plans.find(spec.m);
      if (planned_here && stored != step.plans.end()) {
        auto parsed = parse_plan(stored->second);
        if (!parsed.ok()) return corrupt(step, parsed.status().message());
        plan = *parsed;
      }
      TableForm form = TableForm::kNone;
      BITNETC_RETURN_IF_ERROR(
          build(step, spec, plan, linked.kernels[static_cast<size_t>(spec.m)], &form));
      if (form == TableForm::kNone) continue;
      BITNETC_CHECK(spec.m == 1, "{} looks sums up for {} tokens", step.kernel, spec.m);
      BITNETC_RETURN_IF_ERROR(link_tables(step, spec, form, linked));
    }
    return {};
  }

  Status link_tables(const Step& step, const MatmulSpec& matmul, TableForm form,
                     LinkedStep& linked) {
    const TablesSpec spec{.k = matmul.k, .layout = matmul.layout, .form = form};
    linked.table_bytes = spec.table_bytes();
    linked.table_blocks = spec.blocks();
    return build(step, spec, KernelPlan(), linked.build_tables);
  }

  Status build(const Step& step, const KernelSpec& spec, const KernelPlan& plan, Kernel& out,
               TableForm* form = nullptr) {
    auto built = builder_.build({.spec = spec, .plan = plan, .target = options_.target});
    BITNETC_RETURN_IF_ERROR(built.status().with_context("step " + step.name));
    out = built->kernel;
    if (form != nullptr) *form = built->table_form;
    const auto [at, fresh] = index_.emplace(built->kernel.name(), report_.kernels.size());
    if (fresh) {
      report_.kernels.push_back({.name = built->kernel.name(),
                                 .generator = built->generator,
                                 .step = step.name,
                                 .selection = std::move(built->selection),
                                 .build_ns = built->build_ns,
                                 .proof_ns = built->proof_ns});
      report_.build_ns += built->build_ns;
      report_.proof_ns += built->proof_ns;
    }
    ++report_.kernels[at->second].steps;
    return {};
  }

  const CompiledModel& model_;
  KernelBuilder& builder_;
  const LinkOptions& options_;
  LinkReport& report_;
  std::map<std::string, size_t> index_;
};

}  // namespace

std::vector<std::string> LinkReport::fallbacks() const {
  std::map<std::string, const LinkedKernel*> by_operation;
  for (const LinkedKernel& kernel : kernels) {
    const std::string operation = kernel.name.substr(0, kernel.name.find('_'));
    if (kernel.generator == "reference") by_operation.emplace(operation, &kernel);
  }
  std::vector<std::string> lines;
  for (const auto& [operation, kernel] : by_operation)
    lines.push_back(fmt::format("{} runs on the slow reference kernel: {}", operation,
                                kernel->selection.describe()));
  return lines;
}

Result<std::shared_ptr<const Executable>> link(std::shared_ptr<const CompiledModel> model,
                                               KernelBuilder& builder, const LinkOptions& options,
                                               LinkReport* report) {
  BITNETC_CHECK(options.plans != nullptr && report != nullptr, "link() needs plans and a report");
  static_assert(kMaxSmallM == kMaxBakedM);
  auto executable = std::make_shared<Executable>();
  const ModelConfig& config = model->description().config;
  executable->q_heads = config.q_heads;
  executable->kv_heads = config.kv_heads;
  executable->head_dim = config.head_dim;
  const auto table = [&](const char* name) {
    return reinterpret_cast<const float*>(model->file().section(name).value().data());
  };
  executable->rope_cos = table(kSectionRopeCos);
  executable->rope_sin = table(kSectionRopeSin);

  Linker linker(*model, builder, options, *report);
  for (const Step& step : model->description().program.steps) {
    LinkedStep linked;
    BITNETC_RETURN_IF_ERROR(linker.link_step(step, linked));
    executable->steps.push_back(std::move(linked));
  }
  executable->model = std::move(model);
  return std::shared_ptr<const Executable>(std::move(executable));
}

}  // namespace bitnetc
