#include "compiler/compile.h"

#include <algorithm>
#include <set>

#include "compiler/passes/bindings.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/memory.h"
#include "compiler/passes/pack.h"
#include "compiler/passes/screen.h"
#include "runtime/bnc_file.h"
#include "runtime/compiled_model.h"
#include "runtime/math.h"

namespace bitnetc {
namespace {

template <typename T>
std::span<const uint8_t> as_bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

// One compilation: the graph goes by step by step while the file grows.
class Compilation {
 public:
  Compilation(const Graph& graph, const CompileOptions& options, BncWriter& writer)
      : graph_(graph), options_(options), writer_(writer) {}

  Result<CompileReport> run() {
    BITNETC_RETURN_IF_ERROR(validate(graph_));
    BITNETC_ASSIGN_OR_RETURN(FusedGraph fused,
                             fuse(graph_, {.skip_neurons = options_.skip_neurons}));
    report_.cannot_skip =
        options_.skip_neurons && std::ranges::none_of(fused.ops, [](const FusedOp& op) {
          return op.kind == StepKind::kSparseUp;
        });
    choose_layouts(fused);
    const MemoryPlan memory = plan_memory(fused);
    program_.target_isa = options_.target.name();
    program_.buffers = memory.buffers;

    BITNETC_RETURN_IF_ERROR(write_text(kSectionTokenizer, graph_.tokenizer_json));
    const int total = static_cast<int>(fused.ops.size());
    for (const FusedOp& op : fused.ops) {
      BITNETC_RETURN_IF_ERROR(emit(op, memory));
      if (options_.progress && !options_.progress(++report_.steps, total, op.name))
        return Status(StatusCode::kCancelled, "compilation stopped; nothing was written");
    }
    BITNETC_RETURN_IF_ERROR(writer_.finish(print_description(describe())));
    report_.file_bytes = static_cast<int64_t>(writer_.bytes_written());
    report_.steps = total;
    return report_;
  }

 private:
  void choose_layouts(FusedGraph& fused) const {
    for (FusedOp& op : fused.ops) {
      if (auto* spec = std::get_if<MatmulSpec>(&op.spec))
        spec->layout = options_.plans->layout_for(*spec, options_.target);
    }
  }

  Status emit(const FusedOp& op, const MemoryPlan& memory) {
    Step step{.name = op.name,
              .kernel = spec_name(op.spec),
              .layer = op.layer,
              .scored = op.scored,
              .rows = op.rows,
              .rope_amplitude = op.rope_scaling.amplitude};
    for (const Operand& operand : step_operands(op.spec, graph_.config)) {
      StepOperand bound{.name = std::string(operand.name)};
      if (operand.role == Role::kWeight) {
        bound.section = section_name(op, operand);
      } else {
        bound.slice = {.buffer = buffer_of(op, operand, memory),
                       .column = operand.role == Role::kOutput ? op.output_column : op.column,
                       .columns = std::max(operand.per_row, operand.per_position)};
      }
      step.operands.push_back(std::move(bound));
    }
    BITNETC_RETURN_IF_ERROR(write_weights(op, step));
    program_.steps.push_back(std::move(step));
    return {};
  }

  // An operand is what the operation calls it: a part of the op's input or output, its residual, or
  // scratch.
  static int buffer_of(const FusedOp& op, const Operand& operand, const MemoryPlan& memory) {
    const auto value = [&](int id) -> const ValueBuffers& {
      BITNETC_CHECK(id >= 0, "{} has no value for operand {}", op.name, operand.name);
      return memory.of_value[static_cast<size_t>(id)];
    };
    if (operand.name == "residual") return value(op.residual).values;
    if (operand.name == "up") return value(op.second).values;
    if (operand.name == "gate" && op.kind == StepKind::kSparseUp) return value(op.second).values;
    if (operand.name == "row_absmax" || operand.name == "absmax") return memory.row_absmax;
    if (operand.role == Role::kScratch) return memory.scores;
    const ValueBuffers& buffers = value(operand.role == Role::kOutput ? op.output : op.input);
    if (operand.name == "x_scale" || operand.name == "scale") return buffers.scale;
    if (operand.name == "x_sum" || operand.name == "sum") return buffers.sum;
    return buffers.values;
  }

  std::string section_name(const FusedOp& op, const Operand& operand) const {
    switch (op.kind) {
      case StepKind::kSparseUp:
      case StepKind::kSparseDown:
      case StepKind::kMatmul: return op.name + (operand.name == "w" ? ".weight" : ".tile_scale");
      case StepKind::kNormQuantize:
      case StepKind::kRmsNorm:
      case StepKind::kHeadNorm: return graph_.vectors[static_cast<size_t>(op.weights[0])].name;
      case StepKind::kEmbed:
      case StepKind::kHead: return graph_.tables[static_cast<size_t>(op.weights[0])].name;
      case StepKind::kRopeAppend: return frequencies_section(op);
      case StepKind::kQuantize:
      case StepKind::kGlu:
      case StepKind::kAttention: break;
    }
    BITNETC_CHECK(false, "{} has no section for operand {}", op.name, operand.name);
    return {};
  }

  // Layers that rotate alike share a section.
  static std::string frequencies_section(const FusedOp& op) {
    const bool scaled = op.rope_scaling.kind != RopeScaling::Kind::kNone;
    return fmt::format("rope.theta{}.{}frequencies", op.rope_theta,
                       scaled ? bitnetc::describe(op.rope_scaling) + "." : "");
  }

  Status write_weights(const FusedOp& op, Step& step) {
    switch (op.kind) {
      case StepKind::kMatmul: return write_matmul(op, step);
      case StepKind::kSparseUp:
      case StepKind::kSparseDown: return write_neurons(op, step);
      case StepKind::kNormQuantize:
      case StepKind::kRmsNorm:
      case StepKind::kHeadNorm: {
        const FloatVector& vector = graph_.vectors[static_cast<size_t>(op.weights[0])];
        return write_once(vector.name, as_bytes(vector.values));
      }
      case StepKind::kEmbed:
      case StepKind::kHead: {
        const FloatTable& table = graph_.tables[static_cast<size_t>(op.weights[0])];
        BITNETC_RETURN_IF_ERROR(write_once(table.name, table.bytes));
        return op.kind == StepKind::kHead && options_.screen ? write_screen(table) : Status();
      }
      case StepKind::kRopeAppend:
        return write_once(
            step.operand("frequencies")->section,
            as_bytes(math::rope_frequencies(std::get<RopeAppendSpec>(op.spec).head_dim,
                                            op.rope_theta, op.rope_scaling)));
      case StepKind::kQuantize:
      case StepKind::kGlu:
      case StepKind::kAttention: break;
    }
    return {};
  }

  Status write_matmul(const FusedOp& op, Step& step) {
    BITNETC_ASSIGN_OR_RETURN(const PackedMatmul packed, pack_matmul(graph_, op));
    BITNETC_RETURN_IF_ERROR(writer_.add_section(step.operand("w")->section, packed.bytes));
    BITNETC_RETURN_IF_ERROR(
        writer_.add_section(step.operand("tile_scale")->section, as_bytes(packed.tile_scales)));
    report_.ternary_weights += packed.weights;
    report_.packed_bytes += static_cast<int64_t>(packed.bytes.size());
    for (const FusedPart& part : op.parts)
      step.parts.push_back({.name = part.name, .rows = part.rows});
    auto spec = std::get<MatmulSpec>(op.spec);
    for (spec.m = kAnyM; spec.m <= kMaxSmallM; ++spec.m)
      step.plans[spec.m] = print_choice(options_.plans->choose(spec, options_.target));
    return {};
  }

  Status write_neurons(const FusedOp& op, const Step& step) {
    BITNETC_ASSIGN_OR_RETURN(const PackedMatmul packed, pack_neurons(graph_, op));
    BITNETC_RETURN_IF_ERROR(writer_.add_section(step.operand("w")->section, packed.bytes));
    return writer_.add_section(step.operand("tile_scale")->section, as_bytes(packed.tile_scales));
  }

  Status write_screen(const FloatTable& table) {
    const std::optional<HeadScreen> screen = make_screen(table);
    report_.cannot_screen = !screen;
    if (!screen) return {};
    program_.screen = table.name + ".screen";
    const std::span<const uint8_t> parts[] = {screen->coarse, screen->fine, as_bytes(screen->step),
                                              as_bytes(screen->coarse_error),
                                              as_bytes(screen->fine_error)};
    for (size_t i = 0; i < std::size(parts); ++i)
      BITNETC_RETURN_IF_ERROR(
          writer_.add_section(program_.screen + std::string(kScreenParts[i]), parts[i]));
    return {};
  }

  // A tied table serves the embedding and the head but is stored once.
  Status write_once(const std::string& name, std::span<const uint8_t> bytes) {
    return written_.insert(name).second ? writer_.add_section(name, bytes) : Status();
  }

  Status write_text(const char* name, const std::string& text) {
    return writer_.add_section(name, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }

  ModelDescription describe() {
    return {.bitnetc_version = options_.bitnetc_version,
            .sources = graph_.sources,
            .config = graph_.config,
            .generation = graph_.generation,
            .chat_template = graph_.chat_template,
            .special_tokens = graph_.special_tokens,
            .encoder = graph_.encoder,
            .program = std::move(program_)};
  }

  const Graph& graph_;
  const CompileOptions& options_;
  BncWriter& writer_;
  Program program_;
  CompileReport report_;
  std::set<std::string> written_;
};

}  // namespace

Result<std::vector<MatmulSpec>> matmul_specs(const Graph& graph) {
  BITNETC_RETURN_IF_ERROR(validate(graph));
  BITNETC_ASSIGN_OR_RETURN(const FusedGraph fused, fuse(graph));
  std::vector<MatmulSpec> specs;
  for (const FusedOp& op : fused.ops) {
    const auto* spec = std::get_if<MatmulSpec>(&op.spec);
    if (spec != nullptr && std::ranges::find(specs, *spec) == specs.end()) specs.push_back(*spec);
  }
  return specs;
}

Result<CompileReport> compile(const Graph& graph, const std::string& output_path,
                              const CompileOptions& options) {
  BITNETC_CHECK(options.plans != nullptr, "compile() needs a PlanSource");
  BITNETC_ASSIGN_OR_RETURN(auto writer, BncWriter::create(output_path));
  return Compilation(graph, options, *writer).run();
}

}  // namespace bitnetc
