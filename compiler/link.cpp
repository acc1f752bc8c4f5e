#include "compiler/link.h"

#include <algorithm>
#include <map>
#include <set>

#include "compiler/chosen_kernel.h"
#include "compiler/passes/tables.h"
#include "runtime/buffer.h"
#include "runtime/overloaded.h"

namespace bitnetc {
namespace {

class Linker {
 public:
  Linker(const CompiledModel& model, KernelBuilder& builder, const LinkOptions& options,
         LinkReport& report, Executable& executable)
      : model_(model),
        builder_(builder),
        options_(options),
        report_(report),
        executable_(executable) {}

  Status link_step(const Step& step, LinkedStep& linked) {
    BITNETC_ASSIGN_OR_RETURN(const KernelSpec spec, parse_spec(step.kernel));
    linked = {.kind = step.kind,
              .name = step.name,
              .input = step.input,
              .output = step.output,
              .residual = step.residual,
              .layer = step.layer};
    BITNETC_RETURN_IF_ERROR(check_kind(step, spec));
    used_in_step_.clear();
    if (const auto* matmul = std::get_if<MatmulSpec>(&spec)) {
      BITNETC_RETURN_IF_ERROR(link_matmul(step, *matmul, linked));
    } else {
      BITNETC_RETURN_IF_ERROR(bind_weights(step, spec, linked));
      BITNETC_RETURN_IF_ERROR(build(step, spec, linked.kernels[1]));
    }
    tables_.written(step.output);
    maxima_of_ = linked.row_absmax ? step.output : kNoBuffer;
    return {};
  }

 private:
  // The spec in a step's kernel name must be of the step's kind and fit the step's buffers.
  Status check_kind(const Step& step, const KernelSpec& spec) const {
    constexpr StepKind kKindOfAlternative[] = {
        StepKind::kMatmul,    StepKind::kNormQuantize, StepKind::kRmsNorm, StepKind::kRopeAppend,
        StepKind::kAttention, StepKind::kEmbed,        StepKind::kHead,    StepKind::kQuantize};
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
            [](const QuantizeSpec& s) -> Columns { return {.input = s.k, .output = s.padded_k()}; },
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
    if (std::holds_alternative<QuantizeSpec>(spec) && step.input != maxima_of_)
      return corrupt(step, "the step before does not leave the row maxima of its input");
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

  // ---- matmul

  struct MatmulKernels {
    MatmulSpec spec;
    std::array<BuiltKernel, kMaxBakedM + 1> by_m;  // [kAnyM] and each small number of tokens

    int64_t on_reference() const {
      return std::ranges::count_if(
          by_m, [](const BuiltKernel& built) { return built.kind == GeneratorKind::kReference; });
    }
  };

  Status link_matmul(const Step& step, const MatmulSpec& stored, LinkedStep& linked) {
    BITNETC_RETURN_IF_ERROR(
        bind(step, step.weights, stored.weight_layout().total_bytes(), linked.weights));
    BITNETC_ASSIGN_OR_RETURN(MatmulKernels kernels, choose_kernels(step, stored));
    const MatmulSpec& spec = kernels.spec;
    const WeightLayout layout = spec.weight_layout();
    linked.tiles = layout.tiles();
    linked.tiles_per_unit = is_gated(spec.epilogue) ? 2 : 1;
    linked.row_absmax = spec.row_absmax;
    linked.weight_bytes = layout.total_bytes() + linked.tiles * 4;
    if (spec.layout != stored.layout)
      BITNETC_RETURN_IF_ERROR(repack_weights(step, stored.weight_layout(), spec.layout, linked));
    const uint8_t* scales = nullptr;
    BITNETC_RETURN_IF_ERROR(bind(step, step.scales, linked.tiles * 4, scales));
    linked.scales = reinterpret_cast<const float*>(scales);

    for (size_t m = 0; m < kernels.by_m.size(); ++m) {
      const TableForm form = kernels.by_m[m].table_form;
      BITNETC_CHECK(form == TableForm::kNone || m == 1, "{} looks sums up for more than one token",
                    kernels.by_m[m].kernel.name());
      linked.kernels[m] = use(step, std::move(kernels.by_m[m]));
      if (form != TableForm::kNone) BITNETC_RETURN_IF_ERROR(link_tables(step, spec, form, linked));
    }
    return {};
  }

  // Kernels for the layout that is stored or wanted, or for i2_s where that needs the reference less often.
  Result<MatmulKernels> choose_kernels(const Step& step, const MatmulSpec& stored) {
    MatmulSpec wanted = stored;
    if (options_.choose_layouts)
      wanted.layout = options_.plans->layout_for(stored, options_.target);
    BITNETC_ASSIGN_OR_RETURN(MatmulKernels kernels, build_matmul(step, stored.layout, wanted));
    if (wanted.layout != LayoutId::kI2S && kernels.on_reference() > 0) {
      MatmulSpec i2s = wanted;
      i2s.layout = LayoutId::kI2S;
      BITNETC_ASSIGN_OR_RETURN(MatmulKernels others, build_matmul(step, stored.layout, i2s));
      if (others.on_reference() < kernels.on_reference()) kernels = std::move(others);
    }
    note_layout(stored.layout, wanted.layout, kernels.spec.layout);
    return kernels;
  }

  Result<MatmulKernels> build_matmul(const Step& step, LayoutId stored, const MatmulSpec& spec) {
    MatmulKernels kernels{.spec = spec, .by_m = {}};
    KernelPlan any_m_plan;
    for (int m = kAnyM; m <= kMaxSmallM; ++m) {
      MatmulSpec each = spec;
      each.m = m;
      BITNETC_ASSIGN_OR_RETURN(const KernelChoice choice, choose(step, stored, each));
      if (m == kAnyM) any_m_plan = choice.plan;
      auto built = build_chosen(builder_, each, choice, any_m_plan, options_.target);
      BITNETC_RETURN_IF_ERROR(built.status().with_context("step " + step.name));
      kernels.by_m[static_cast<size_t>(m)] = *std::move(built);
    }
    return kernels;
  }

  // What was measured on this machine goes first; then the stronger of what the file says, if it was planned for
  // this tier and layout, and of what is known here.
  Result<KernelChoice> choose(const Step& step, LayoutId stored, const MatmulSpec& spec) const {
    const KernelChoice here = options_.plans->choose(spec, options_.target);
    const auto in_file = step.plans.find(spec.m);
    const bool was_planned =
        model_.description().program.target_isa == isa_name(options_.target.best_isa) &&
        spec.layout == stored && in_file != step.plans.end();
    if (here.origin == ChoiceOrigin::kMeasured || !was_planned) return here;
    auto choice = parse_choice(in_file->second);
    if (!choice.ok()) return corrupt(step, choice.status().message());
    return here.origin > choice->origin ? here : *choice;
  }

  Status repack_weights(const Step& step, const WeightLayout& from, LayoutId to,
                        LinkedStep& linked) {
    const WeightLayout target{.id = to, .n = from.n, .k = from.k};
    Buffer<uint8_t> weights(static_cast<size_t>(target.total_bytes()));
    const Status status = repack(from, {linked.weights, static_cast<size_t>(from.total_bytes())},
                                 to, {weights.data(), weights.size()});
    if (!status.ok()) return corrupt(step, status.message());
    linked.weights = weights.data();
    executable_.repacked.push_back(std::move(weights));
    return {};
  }

  void note_layout(LayoutId stored, LayoutId wanted, LayoutId used) {
    if (stored == used && wanted == used) return;
    for (LayoutChange& change : report_.layout_changes) {
      if (change.stored != stored || change.wanted != wanted || change.used != used) continue;
      ++change.matrices;
      return;
    }
    report_.layout_changes.push_back(
        {.stored = stored, .wanted = wanted, .used = used, .matrices = 1});
  }

  Status link_tables(const Step& step, const MatmulSpec& matmul, TableForm form,
                     LinkedStep& linked) {
    const TablesSpec spec{.k = matmul.k, .layout = matmul.layout, .form = form};
    linked.table_bytes = spec.table_bytes();
    linked.table_blocks = spec.blocks();
    if (!tables_.must_build(step.input, spec)) return {};
    return build(step, spec, linked.build_tables);
  }

  Status build(const Step& step, const KernelSpec& spec, Kernel& out) {
    auto built = builder_.build({.spec = spec, .plan = {}, .target = options_.target});
    BITNETC_RETURN_IF_ERROR(built.status().with_context("step " + step.name));
    out = use(step, *std::move(built));
    return {};
  }

  // Enters the kernel into the report; a step counts once however many numbers of tokens it serves.
  Kernel use(const Step& step, BuiltKernel built) {
    const std::string name = built.kernel.name();
    const auto [at, fresh] = index_.emplace(name, report_.kernels.size());
    if (fresh) {
      report_.kernels.push_back({.name = name,
                                 .generator = built.generator,
                                 .step = step.name,
                                 .selection = std::move(built.selection),
                                 .build_ns = built.build_ns,
                                 .proof_ns = built.proof_ns});
      report_.build_ns += built.build_ns;
      report_.proof_ns += built.proof_ns;
    }
    if (used_in_step_.insert(name).second) ++report_.kernels[at->second].steps;
    return built.kernel;
  }

  const CompiledModel& model_;
  KernelBuilder& builder_;
  const LinkOptions& options_;
  LinkReport& report_;
  Executable& executable_;
  std::map<std::string, size_t> index_;  // of kernel names into the report
  std::set<std::string> used_in_step_;
  TablesInPlace tables_;
  static constexpr int kNoBuffer = -1;
  int maxima_of_ = kNoBuffer;  // the buffer whose row maxima the last step left
};

}  // namespace

std::vector<std::string> LinkReport::fallbacks() const {
  std::map<std::string, const LinkedKernel*> by_operation;
  for (const LinkedKernel& kernel : kernels) {
    const std::string operation = kernel.name.substr(0, kernel.name.find('_'));
    if (find_generator(kernel.generator)->kind() == GeneratorKind::kReference)
      by_operation.emplace(operation, &kernel);
  }
  std::vector<std::string> lines;
  for (const auto& [operation, kernel] : by_operation)
    lines.push_back(fmt::format("{} runs on the slow reference kernel: {}", operation,
                                kernel->selection.describe()));
  return lines;
}

std::vector<std::string> LinkReport::repacks() const {
  std::vector<std::string> lines;
  for (const LayoutChange& change : layout_changes) {
    const std::string what =
        change.used == change.stored
            ? fmt::format("{} matrices stay in layout {}", change.matrices,
                          layout_name(change.used))
            : fmt::format("{} matrices are repacked from layout {} to {}", change.matrices,
                          layout_name(change.stored), layout_name(change.used));
    lines.push_back(change.used == change.wanted
                        ? what + " as asked for"
                        : fmt::format("{}: this CPU has better kernels for it than for {}", what,
                                      layout_name(change.wanted)));
  }
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

  Linker linker(*model, builder, options, *report, *executable);
  for (const Step& step : model->description().program.steps) {
    LinkedStep linked;
    BITNETC_RETURN_IF_ERROR(linker.link_step(step, linked));
    executable->steps.push_back(std::move(linked));
  }
  executable->model = std::move(model);
  return std::shared_ptr<const Executable>(std::move(executable));
}

}  // namespace bitnetc
