#include "compiler/compile.h"

#include <algorithm>
#include <set>

#include "compiler/passes/fuse.h"
#include "compiler/passes/memory.h"
#include "compiler/passes/pack.h"
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
    BITNETC_ASSIGN_OR_RETURN(FusedGraph fused, fuse(graph_));
    choose_layouts(fused);
    const MemoryPlan memory = plan_memory(fused);
    program_.target_isa = isa_name(options_.target.best_isa);
    program_.buffers = memory.buffers;

    BITNETC_RETURN_IF_ERROR(write_text(kSectionTokenizer, graph_.tokenizer_json));
    BITNETC_RETURN_IF_ERROR(write_rope_tables(fused));
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
    const auto buffer = [&](int value) {
      return value < 0 ? -1 : memory.buffer_of_value[static_cast<size_t>(value)];
    };
    Step step{.kind = op.kind,
              .name = op.name,
              .kernel = spec_name(op.spec),
              .input = buffer(op.input),
              .output = buffer(op.output),
              .residual = buffer(op.residual),
              .layer = op.layer};
    switch (op.kind) {
      case StepKind::kMatmul: BITNETC_RETURN_IF_ERROR(emit_matmul(op, step)); break;
      case StepKind::kNormQuantize:
      case StepKind::kRmsNorm: {
        const FloatVector& vector = graph_.vectors[static_cast<size_t>(op.weights[0])];
        BITNETC_RETURN_IF_ERROR(write_once(step.weights = vector.name, as_bytes(vector.values)));
        break;
      }
      case StepKind::kEmbed:
      case StepKind::kHead: {
        const FloatTable& table = graph_.tables[static_cast<size_t>(op.weights[0])];
        BITNETC_RETURN_IF_ERROR(write_once(step.weights = table.name, table.bytes));
        break;
      }
      case StepKind::kQuantize:
      case StepKind::kRopeAppend:
      case StepKind::kAttention: break;
    }
    program_.steps.push_back(std::move(step));
    return {};
  }

  Status emit_matmul(const FusedOp& op, Step& step) {
    BITNETC_ASSIGN_OR_RETURN(const PackedMatmul packed, pack_matmul(graph_, op));
    step.weights = op.name + ".weight";
    step.scales = op.name + ".tile_scale";
    BITNETC_RETURN_IF_ERROR(writer_.add_section(step.weights, packed.bytes));
    BITNETC_RETURN_IF_ERROR(writer_.add_section(step.scales, as_bytes(packed.tile_scales)));
    report_.ternary_weights += packed.weights;
    report_.packed_bytes += static_cast<int64_t>(packed.bytes.size());
    auto spec = std::get<MatmulSpec>(op.spec);
    for (spec.m = kAnyM; spec.m <= kMaxSmallM; ++spec.m)
      step.plans[spec.m] = print_choice(options_.plans->choose(spec, options_.target));
    return {};
  }

  // A tied table serves the embedding and the head but is stored once.
  Status write_once(const std::string& name, std::span<const uint8_t> bytes) {
    return written_.insert(name).second ? writer_.add_section(name, bytes) : Status();
  }

  Status write_text(const char* name, const std::string& text) {
    return writer_.add_section(name, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }

  // One pair of tables serves every layer, so all must rotate alike.
  Status write_rope_tables(const FusedGraph& fused) {
    const FusedOp* first = nullptr;
    for (const FusedOp& op : fused.ops) {
      if (op.kind != StepKind::kRopeAppend) continue;
      if (first == nullptr) first = &op;
      if (op.rope_theta != first->rope_theta)
        return make_error(StatusCode::kUnsupported,
                          "{} rotates with theta = {} and {} with theta = {}; a file holds the "
                          "table of one theta",
                          first->name, first->rope_theta, op.name, op.rope_theta);
    }
    if (first == nullptr) return {};
    const auto head_dim = std::get<RopeAppendSpec>(first->spec).head_dim;
    const auto frequencies = math::rope_frequencies(head_dim, first->rope_theta);
    const int64_t positions = graph_.config.max_positions;
    std::vector<float> cos_table(static_cast<size_t>(positions) * frequencies.size());
    std::vector<float> sin_table(cos_table.size());
    for (int64_t position = 0; position < positions; ++position) {
      const size_t row = static_cast<size_t>(position) * frequencies.size();
      math::rope_row(position, frequencies, cos_table.data() + row, sin_table.data() + row);
    }
    BITNETC_RETURN_IF_ERROR(writer_.add_section(kSectionRopeCos, as_bytes(cos_table)));
    return writer_.add_section(kSectionRopeSin, as_bytes(sin_table));
  }

  ModelDescription describe() {
    return {.bitnetc_version = options_.bitnetc_version,
            .sources = graph_.sources,
            .config = graph_.config,
            .generation = graph_.generation,
            .chat_template = graph_.chat_template,
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
