#include "compiler/link.h"

#include <algorithm>
#include <map>
#include <set>

#include "compiler/check_program.h"
#include "compiler/chosen_kernel.h"
#include "compiler/passes/one_row_pass.h"
#include "compiler/passes/tables.h"
#include "runtime/attention_scratch.h"
#include "runtime/buffer.h"
#include "runtime/linked_steps.h"

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

  // Whether neurons can be skipped: the program has steps for it, and none of them would run on the
  // reference, which takes longer than reading all.
  Status find_skipping(const Program& program) {
    for (const Step& step : program.steps) {
      if (step.rows != StepRows::kOne) continue;
      if (options_.gpu != nullptr) {
        report_.no_skipping = "a GPU reads all neurons";
        return {};
      }
      BITNETC_ASSIGN_OR_RETURN(const KernelSpec spec, parse_spec(step.kernel));
      auto built = builder_.build({.spec = spec, .plan = {}, .target = options_.target});
      BITNETC_RETURN_IF_ERROR(built.status().with_context("step " + step.name));
      executable_.skips_neurons = built->kind != GeneratorKind::kReference;
      if (executable_.skips_neurons) continue;
      report_.no_skipping = "only the reference could read some of the neurons";
      return {};
    }
    return {};
  }

  // The program has passed check_program: operands are there and fit.
  Status link_steps(const Program& program, const OneRowPass& one_row) {
    for (size_t i = 0; i < program.steps.size(); ++i) {
      done_by_each_ = one_row.done_by_each[i];
      has_early_heads_ = one_row.has_early_heads[i];
      BITNETC_RETURN_IF_ERROR(link_step(program.steps[i]));
    }
    return {};
  }

 private:
  Status link_step(const Step& step) {
    BITNETC_ASSIGN_OR_RETURN(const KernelSpec spec, parse_spec(step.kernel));
    used_in_step_.clear();
    return std::visit([&](const auto& each) { return link(step, each); }, spec);
  }

  Status corrupt(const Step& step, const std::string& why) const {
    return make_error(StatusCode::kDataCorrupt, "{}: step {}: {}", model_.file().origin(),
                      step.name, why);
  }

  StepBase base(const Step& step) const {
    return {
        .name = step.name, .scored = step.scored, .rows = step.rows, .done_by_each = done_by_each_};
  }

  static BoundSlice slice(const Step& step, std::string_view operand) {
    const StepOperand* bound = step.operand(operand);
    if (bound == nullptr) return {};
    return {.buffer = bound->slice.buffer,
            .column = bound->slice.column,
            .columns = bound->slice.columns};
  }
  static BoundQuantized quantized(const Step& step, const char* values, const char* scale,
                                  const char* sum) {
    return {.q = slice(step, values), .scale = slice(step, scale), .sum = slice(step, sum)};
  }

  template <typename T>
  std::span<const T> section(const Step& step, std::string_view operand) const {
    const auto bytes = model_.file().section(step.operand(operand)->section).value();
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  // What kernels read of the model, where they read it.
  template <typename T>
  Result<const T*> weights(const Step& step, std::string_view operand) {
    const std::span<const T> host = section<T>(step, operand);
    BITNETC_ASSIGN_OR_RETURN(const void* const placed, place(host.data(), host.size_bytes()));
    return static_cast<const T*>(placed);
  }
  // Uploaded once, however many steps read it; on the CPU it stays where it is.
  Result<const void*> place(const void* host, size_t bytes) {
    if (options_.gpu == nullptr) return host;
    const auto [at, fresh] = uploaded_.emplace(host, nullptr);
    if (!fresh) return at->second;
    BITNETC_ASSIGN_OR_RETURN(DeviceMemory memory, options_.gpu->allocate(bytes));
    BITNETC_RETURN_IF_ERROR(options_.gpu->upload(memory.address, host, bytes));
    at->second = memory.address;
    executable_.uploaded.push_back(std::move(memory));
    return at->second;
  }

  template <typename Linked, typename Spec>
  Status add(const Step& step, const Spec& spec, const typename Linked::Operands& operands) {
    Kernel kernel;
    BITNETC_RETURN_IF_ERROR(build(step, spec, kernel));
    executable_.steps.push_back(std::make_unique<Linked>(base(step), std::move(kernel), operands));
    // Tables of what these columns held are of no more use.
    for (const LinkedStep::Output& output : executable_.steps.back()->outputs())
      tables_.written(output.slice.buffer);
    return {};
  }

  Status link(const Step& step, const EmbedSpec& spec) {
    BITNETC_ASSIGN_OR_RETURN(const uint8_t* const table, weights<uint8_t>(step, "table"));
    return add<EmbedStep>(step, spec, {.table = table, .h = slice(step, "h")});
  }
  Status link(const Step& step, const RmsNormSpec& spec) {
    if (step.scored) executable_.output = slice(step, "y");  // a head behind it has the last word
    BITNETC_ASSIGN_OR_RETURN(const float* const weight, weights<float>(step, "weight"));
    return add<RmsNormStep>(step, spec,
                            {.x = slice(step, "x"),
                             .residual = slice(step, "residual"),
                             .y = slice(step, "y"),
                             .weight = weight});
  }
  Status link(const Step& step, const GluSpec& spec) {
    return add<GluStep>(
        step, spec, {.gate = slice(step, "gate"), .up = slice(step, "up"), .y = slice(step, "y")});
  }
  Status link(const Step& step, const SparseUpSpec& spec) {
    if (!executable_.skips_neurons) return {};
    return add_sparse<SparseUpStep>(step, spec,
                                    {.x = quantized(step, "x", "x_scale", "x_sum"),
                                     .gate = slice(step, "gate"),
                                     .y = slice(step, "y")});
  }
  Status link(const Step& step, const SparseDownSpec& spec) {
    if (!executable_.skips_neurons) return {};
    return add_sparse<SparseDownStep>(step, spec,
                                      {.x = quantized(step, "x", "x_scale", "x_sum"),
                                       .residual = slice(step, "residual"),
                                       .y = slice(step, "y")},
                                      spec.chunks());
  }
  template <typename Linked, typename Spec, typename... More>
  Status add_sparse(const Step& step, const Spec& spec, const typename Linked::Operands& operands,
                    More... more) {
    const NeuronRows rows = spec.weights();
    const SparseStep::Neurons neurons{.w = section<uint8_t>(step, "w").data(),
                                      .tile_scale = section<float>(step, "tile_scale").data(),
                                      .count = rows.neurons,
                                      .row_bytes = rows.row_bytes(),
                                      .tiles = spec.tiles()};
    Kernel kernel;
    BITNETC_RETURN_IF_ERROR(build(step, spec, kernel));
    executable_.steps.push_back(
        std::make_unique<Linked>(base(step), std::move(kernel), operands, neurons, more...));
    tables_.written(operands.y.buffer);
    return {};
  }
  Status link(const Step& step, const HeadNormSpec& spec) {
    BITNETC_ASSIGN_OR_RETURN(const float* const weight, weights<float>(step, "weight"));
    return add<HeadNormStep>(step, spec, {.x = slice(step, "x"), .weight = weight});
  }
  Status link(const Step& step, const NormQuantizeSpec& spec) {
    BITNETC_ASSIGN_OR_RETURN(const float* const weight, weights<float>(step, "weight"));
    return add<NormQuantizeStep>(
        step, spec,
        {.x = slice(step, "x"), .out = quantized(step, "q", "scale", "sum"), .weight = weight});
  }
  Status link(const Step& step, const QuantizeSpec& spec) {
    return add<QuantizeStep>(step, spec,
                             {.x = slice(step, "x"),
                              .absmax = slice(step, "absmax"),
                              .out = quantized(step, "q", "scale", "sum")});
  }
  // A file says nothing of the type of keys and values.
  Status link(const Step& step, RopeAppendSpec spec) {
    spec.kv_type = options_.kv_type;
    BITNETC_RETURN_IF_ERROR(add<RopeAppendStep>(step, spec,
                                                {.qkv = slice(step, "qkv"),
                                                 .layer = step.layer,
                                                 .q_heads = spec.q_heads,
                                                 .rope = rope_index(step),
                                                 .has_early_heads = has_early_heads_}));
    rope_ = static_cast<const RopeAppendStep*>(executable_.steps.back().get());
    head_columns_ = {.q_heads = spec.q_heads,
                     .kv_heads = spec.kv_heads,
                     .head_dim = spec.head_dim,
                     .k_offset = spec.k_offset(),
                     .v_offset = spec.v_offset()};
    return {};
  }
  Status link(const Step& step, AttentionSpec spec) {
    spec.kv_type = options_.kv_type;
    const BoundSlice scores = slice(step, "scores");
    BufferInfo& buffer = executable_.buffers[static_cast<size_t>(scores.buffer)];
    const AttentionScratch scratch{.head_dim = spec.head_dim, .heads = spec.q_per_kv};
    buffer.per_position = std::max(buffer.per_position, scratch.elements_per_position());
    const AttentionWork::Operands operands{.q = slice(step, "q"),
                                           .out = slice(step, "out"),
                                           .scores = scores,
                                           .layer = step.layer,
                                           .q_per_kv = spec.q_per_kv,
                                           .window = spec.window,
                                           .has_early_heads = has_early_heads_};
    Kernel kernel;
    BITNETC_RETURN_IF_ERROR(build(step, spec, kernel));
    executable_.steps.push_back(std::make_unique<AttentionScoresStep>(
        StepBase{.name = step.name + ".scores", .scored = step.scored, .rows = step.rows}, kernel,
        operands));
    auto attention = std::make_unique<AttentionStep>(base(step), std::move(kernel), operands);
    if (has_early_heads_) matmul_->set_early_heads(EarlyHeads(head_columns_, *rope_, *attention));
    executable_.steps.push_back(std::move(attention));
    tables_.written(operands.out.buffer);
    return {};
  }
  Status link(const Step& step, const HeadSpec& spec) {
    const auto table = section<uint8_t>(step, "table");
    executable_.output = slice(step, "logits");
    if (options_.gpu != nullptr) {
      report_.no_screen = "a GPU reads the whole head";
    } else if (model_.description().program.screen.empty()) {
      report_.no_screen = "the compiled model has no screen";
    } else {
      BITNETC_RETURN_IF_ERROR(link_screen(step, spec, table.data()));
    }
    BITNETC_ASSIGN_OR_RETURN(const uint8_t* const placed, weights<uint8_t>(step, "table"));
    return add<HeadStep>(step, spec,
                         {.hidden = slice(step, "hidden"),
                          .logits = slice(step, "logits"),
                          .table = placed,
                          .table_bytes = static_cast<int64_t>(table.size())});
  }
  Status link(const Step& step, const TablesSpec&) {
    return corrupt(step, "tables are no step of a program");
  }
  Status link(const Step& step, const ScreenSpec&) {
    return corrupt(step, "a screen is no step of a program");
  }

  // The steps of the screened head, before the head itself, which runs where they do not. None
  // where only the reference makes estimates: that takes longer than the head.
  Status link_screen(const Step& step, const HeadSpec& spec, const void* table) {
    const std::string& screen = model_.description().program.screen;
    const auto part = [&](size_t i) {
      return model_.file().section(screen + std::string(kScreenParts[i])).value().data();
    };
    ScreenOperands operands{.hidden = slice(step, "hidden"),
                            .logits = slice(step, "logits"),
                            .n = spec.n,
                            .k = spec.k,
                            .codes = {part(0), part(1)},
                            .step = reinterpret_cast<const float*>(part(2)),
                            .coarse_error = reinterpret_cast<const float*>(part(3)),
                            .fine_error = reinterpret_cast<const float*>(part(4)),
                            .table = table,
                            .table_row_bytes = spec.k * float_type_bytes(spec.type)};
    for (const ScreenPart each : {ScreenPart::kCoarse, ScreenPart::kFine}) {
      const ScreenSpec screen_spec{.n = spec.n, .k = spec.k, .part = each};
      const auto index = static_cast<size_t>(each);
      auto built = builder_.build({.spec = screen_spec, .plan = {}, .target = options_.target});
      BITNETC_RETURN_IF_ERROR(built.status().with_context("step " + step.name));
      if (built->kind == GeneratorKind::kReference) {
        report_.no_screen = "only the reference could make its estimates";
        return {};
      }
      operands.kernels[index] = use(step, *std::move(built));
      operands.row_bytes[index] = screen_spec.row_bytes();
      operands.padded_k = screen_spec.padded_k();
    }
    BITNETC_RETURN_IF_ERROR(build(step, spec, operands.exact));
    const auto shared = std::make_shared<const ScreenOperands>(operands);
    executable_.screen = shared;
    const auto named = [&](const char* what) {
      return StepBase{.name = step.name + what, .scored = step.scored};
    };
    executable_.steps.push_back(std::make_unique<ScreenSplitStep>(named(".split"), shared));
    executable_.steps.push_back(std::make_unique<ScreenEstimateStep>(named(".estimate"), shared));
    executable_.steps.push_back(std::make_unique<ScreenProbeStep>(named(".probe"), shared));
    executable_.steps.push_back(std::make_unique<ScreenRefineStep>(named(".refine"), shared));
    return {};
  }

  // Layers that rotate alike share the rows of one table.
  int rope_index(const Step& step) {
    const auto frequencies = section<double>(step, "frequencies");
    const auto same = [&](const Executable::Rotation& rotation) {
      return rotation.frequencies.data() == frequencies.data() &&
             rotation.amplitude == step.rope_amplitude;
    };
    auto& all = executable_.rotations;
    const auto index = std::ranges::find_if(all, same) - all.begin();
    if (index == std::ssize(all))
      all.push_back({.frequencies = frequencies, .amplitude = step.rope_amplitude});
    return static_cast<int>(index);
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

  Status link(const Step& step, const MatmulSpec& stored) {
    BITNETC_ASSIGN_OR_RETURN(MatmulKernels kernels, choose_kernels(step, stored));
    const MatmulSpec& spec = kernels.spec;
    const WeightLayout layout = spec.weight_layout();
    BITNETC_ASSIGN_OR_RETURN(const float* const tile_scale, weights<float>(step, "tile_scale"));
    MatmulStep::Operands operands{.x = quantized(step, "x", "x_scale", "x_sum"),
                                  .y = slice(step, "y"),
                                  .residual = slice(step, "residual"),
                                  .row_absmax = slice(step, "row_absmax"),
                                  .tables = {},
                                  .w = section<uint8_t>(step, "w").data(),
                                  .tile_scale = tile_scale,
                                  .tiles = layout.tiles(),
                                  .tiles_per_unit = spec.tiles_per_unit(),
                                  .weight_bytes = layout.total_bytes() + layout.tiles() * 4};
    if (spec.layout != stored.layout)
      BITNETC_RETURN_IF_ERROR(
          repack_weights(step, stored.weight_layout(), spec.layout, operands.w));
    BITNETC_ASSIGN_OR_RETURN(const void* const w,
                             place(operands.w, static_cast<size_t>(layout.total_bytes())));
    operands.w = static_cast<const uint8_t*>(w);
    if (options_.gpu != nullptr && spec.layout != stored.layout) {
      // The GPU has what was repacked for it; its address may be another's next.
      uploaded_.erase(executable_.repacked.back().data());
      executable_.repacked.pop_back();
    }

    MatmulStep::Kernels by_m;
    for (size_t m = 0; m < kernels.by_m.size(); ++m) {
      const TableForm form = kernels.by_m[m].table_form;
      BITNETC_CHECK(form == TableForm::kNone || m == 1, "{} reads tables for more than one row",
                    kernels.by_m[m].kernel.name());
      by_m[m] = use(step, std::move(kernels.by_m[m]));
      if (form != TableForm::kNone)
        BITNETC_RETURN_IF_ERROR(link_tables(step, spec, form, operands));
    }
    tables_.written(operands.y.buffer);
    auto linked = std::make_unique<MatmulStep>(base(step), std::move(by_m), operands);
    matmul_ = linked.get();
    executable_.steps.push_back(std::move(linked));
    return {};
  }

  // Kernels for the layout that is stored or wanted, or for i2_s where that needs the reference
  // less often.
  Result<MatmulKernels> choose_kernels(const Step& step, const MatmulSpec& stored) {
    MatmulSpec wanted = stored;
    if (options_.gpu != nullptr)
      wanted.layout = LayoutId::kI2S;  // the one that its kernels read
    else if (options_.choose_layouts)
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

  // What was measured on this machine goes first; then the stronger of what the file says, if it
  // was planned for this tier and layout, and of what is known here.
  Result<KernelChoice> choose(const Step& step, LayoutId stored, const MatmulSpec& spec) const {
    if (options_.gpu != nullptr) return KernelChoice();  // plans are of CPUs
    const KernelChoice here = options_.plans->choose(spec, options_.target);
    const auto in_file = step.plans.find(spec.m);
    const bool was_planned = model_.description().program.target_isa == options_.target.name() &&
                             spec.layout == stored && in_file != step.plans.end();
    if (here.origin == ChoiceOrigin::kMeasured || !was_planned) return here;
    auto choice = parse_choice(in_file->second);
    if (!choice.ok()) return corrupt(step, choice.status().message());
    return here.origin > choice->origin ? here : *choice;
  }

  Status repack_weights(const Step& step, const WeightLayout& from, LayoutId to,
                        const uint8_t*& w) {
    const WeightLayout target{.id = to, .n = from.n, .k = from.k};
    Buffer<uint8_t> weights(static_cast<size_t>(target.total_bytes()));
    const Status status = repack(from, {w, static_cast<size_t>(from.total_bytes())}, to,
                                 {weights.data(), weights.size()});
    if (!status.ok()) return corrupt(step, status.message());
    w = weights.data();
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
    report_.layout_changes.push_back({.stored = stored,
                                      .wanted = wanted,
                                      .used = used,
                                      .matrices = 1,
                                      .is_for_gpu = options_.gpu != nullptr});
  }

  // The tables of a step's input, made before it unless those of an earlier step still stand in the
  // buffer.
  Status link_tables(const Step& step, const MatmulSpec& matmul, TableForm form,
                     MatmulStep::Operands& operands) {
    const TablesSpec spec{.k = matmul.k, .layout = matmul.layout, .form = form};
    operands.tables = {.buffer = tables_buffer(), .column = 0, .columns = spec.table_bytes()};
    BufferInfo& buffer = executable_.buffers[static_cast<size_t>(operands.tables.buffer)];
    buffer.fixed = std::max(buffer.fixed, spec.table_bytes());
    if (!tables_.must_build(operands.x.q.buffer, spec)) return {};
    Kernel kernel;
    BITNETC_RETURN_IF_ERROR(build(step, spec, kernel));
    executable_.steps.push_back(std::make_unique<TablesStep>(
        StepBase{.name = step.name + ".tables", .scored = step.scored, .rows = step.rows},
        std::move(kernel),
        TablesStep::Operands{
            .x = operands.x.q, .tables = operands.tables, .blocks = spec.blocks()}));
    return {};
  }

  int tables_buffer() {
    if (tables_buffer_ < 0) {
      tables_buffer_ = static_cast<int>(executable_.buffers.size());
      executable_.buffers.push_back({.name = "tables", .type = ElementType::kU8});
    }
    return tables_buffer_;
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
  std::map<const void*, const void*> uploaded_;  // by where the host has it
  std::map<std::string, size_t> index_;          // of kernel names into the report
  std::set<std::string> used_in_step_;
  // Of the step that is linked: OneRowPass.
  bool done_by_each_ = false, has_early_heads_ = false;
  // Of the last ones, to which early heads belong.
  MatmulStep* matmul_ = nullptr;
  const RopeAppendStep* rope_ = nullptr;
  EarlyHeads::Columns head_columns_;
  TablesInPlace tables_;
  int tables_buffer_ = -1;  // added where a kernel reads tables
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
    lines.push_back(change.is_for_gpu ? what + ", which GPUs read"
                    : change.used == change.wanted
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
  BITNETC_RETURN_IF_ERROR(check_program(*model));
  auto executable = std::make_shared<Executable>();
  const ModelDescription& description = model->description();
  executable->buffers = description.program.buffers;
  executable->gpu = options.gpu;
  executable->kv = {.layers = description.config.layers,
                    .kv_heads = description.config.kv_heads,
                    .head_dim = description.config.head_dim,
                    .type = options.kv_type};
  Linker linker(*model, builder, options, *report, *executable);
  BITNETC_RETURN_IF_ERROR(linker.find_skipping(description.program));
  const OneRowPass one_row = plan_one_row_pass(description.program, description.config);
  BITNETC_RETURN_IF_ERROR(linker.link_steps(description.program, one_row));
  executable->written_by_each = one_row.written_by_each;
  executable->written_by_each.resize(executable->buffers.size());  // linking adds buffers
  executable->model = std::move(model);
  return std::shared_ptr<const Executable>(std::move(executable));
}

}  // namespace bitnetc
