#include "compiler/stored_weights.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "compiler/passes/bindings.h"

namespace bitnetc {
namespace {

// One of the matrices of a fused matmul: which of its row tiles are its own.
struct PartPlace {
  std::shared_ptr<const CompiledModel> model;  // keeps the bytes mapped
  std::string name;
  WeightLayout whole;
  std::span<const uint8_t> packed;
  int64_t rows = 0;
  int64_t first_tile = 0, tile_stride = 1;
  float scale = 0;
};

Result<TernaryMatrix> unpack_part(const PartPlace& part) {
  TernaryMatrix matrix{
      .n = part.rows, .k = part.whole.k, .trits = {}, .scales = Scales::of_tensor(part.scale)};
  matrix.trits.resize(static_cast<size_t>(matrix.n * matrix.k));
  const auto tile_bytes = static_cast<size_t>(part.whole.tile_bytes());
  for (int64_t row = 0, tile = part.first_tile; row < matrix.n;
       row += kTileRows, tile += part.tile_stride) {
    const WeightLayout layout{
        .id = part.whole.id, .n = std::min<int64_t>(kTileRows, matrix.n - row), .k = matrix.k};
    const Status status =
        unpack(layout, part.packed.subspan(static_cast<size_t>(tile) * tile_bytes, tile_bytes),
               std::span(matrix.trits)
                   .subspan(static_cast<size_t>(row * matrix.k),
                            static_cast<size_t>(layout.n * matrix.k)));
    BITNETC_RETURN_IF_ERROR(status.with_context(fmt::format("{}, rows from {}", part.name, row)));
  }
  return matrix;
}

class Collector {
 public:
  explicit Collector(const std::shared_ptr<const CompiledModel>& model) : model_(model) {}

  Result<Graph> collect() {
    const ModelDescription& description = model_->description();
    graph_.config = description.config;
    graph_.generation = description.generation;
    graph_.chat_template = description.chat_template;
    graph_.special_tokens = description.special_tokens;
    graph_.encoder = description.encoder;
    graph_.sources = description.sources;
    graph_.tokenizer_json = model_->tokenizer_json();
    for (const Step& step : description.program.steps)
      BITNETC_RETURN_IF_ERROR(
          add(step).with_context(fmt::format("{}: step {}", model_->file().origin(), step.name)));
    return std::move(graph_);
  }

 private:
  Status add(const Step& step) {
    BITNETC_ASSIGN_OR_RETURN(const KernelSpec spec, parse_spec(step.kernel));
    if (const auto* matmul = std::get_if<MatmulSpec>(&spec)) return add_matmul(step, *matmul);
    if (step.rows == StepRows::kOne) return {};  // its weights are a second copy
    const bool is_table = step.operation() == "embed" || step.operation() == "head";
    for (const Operand& operand : step_operands(spec, model_->description().config)) {
      if (operand.role != Role::kWeight || step.operation() == "ropeappend") continue;
      const std::string& section = step.operand(operand.name)->section;
      if (!seen_.insert(section).second) continue;
      BITNETC_ASSIGN_OR_RETURN(const auto bytes, model_->file().section(section));
      if (is_table) {
        add_table(section, operand.type, bytes);
      } else {
        FloatVector vector{.name = section, .values = {}};
        vector.values.resize(bytes.size() / sizeof(float));
        std::memcpy(vector.values.data(), bytes.data(), bytes.size());
        graph_.vectors.push_back(std::move(vector));
      }
    }
    return {};
  }

  void add_table(const std::string& section, ElementType element, std::span<const uint8_t> bytes) {
    const auto type = std::ranges::find(kFloatTypes, element, element_type);
    BITNETC_CHECK(type != std::end(kFloatTypes), "{} is a table of no float type", section);
    graph_.tables.push_back({.name = section,
                             .type = *type,
                             .rows = graph_.config.vocab_size,
                             .columns = graph_.config.hidden_size,
                             .bytes = bytes,
                             .owner = model_});
  }

  Status add_matmul(const Step& step, const MatmulSpec& spec) {
    const WeightLayout whole = spec.weight_layout();
    BITNETC_ASSIGN_OR_RETURN(const auto packed, model_->file().section(step.operand("w")->section));
    BITNETC_ASSIGN_OR_RETURN(const auto scale_bytes,
                             model_->file().section(step.operand("tile_scale")->section));
    std::vector<float> scales(scale_bytes.size() / sizeof(float));
    std::memcpy(scales.data(), scale_bytes.data(), scale_bytes.size());
    // As pack_matmul() has put them: tile t of a part is at first + t * stride.
    const auto parts = std::ssize(step.parts);
    const int64_t stride = is_gated(spec.epilogue) ? parts : 1;
    int64_t first = 0, total = 0;
    for (const StepPart& part : step.parts) {
      const bool fits = part.rows > 0 && part.rows <= whole.tiles() * kTileRows;
      const int64_t tiles = fits ? (part.rows + kTileRows - 1) / kTileRows : 0;
      total += tiles;
      if (!fits || first + (tiles - 1) * stride >= whole.tiles())
        return make_error(StatusCode::kDataCorrupt, "part {} has {} rows, more than its matrix",
                          part.name, part.rows);
      for (int64_t t = 0; t < tiles; ++t)
        if (scales[static_cast<size_t>(first + t * stride)] != scales[static_cast<size_t>(first)])
          return make_error(StatusCode::kDataCorrupt, "part {} has more than one scale", part.name);
      graph_.ternary.push_back(
          {.name = part.name,
           .n = part.rows,
           .k = spec.k,
           .load = [place = PartPlace{.model = model_,
                                      .name = part.name,
                                      .whole = whole,
                                      .packed = packed,
                                      .rows = part.rows,
                                      .first_tile = first,
                                      .tile_stride = stride,
                                      .scale = scales[static_cast<size_t>(first)]}] {
             return unpack_part(place);
           }});
      first += stride == 1 ? tiles : 1;
    }
    if (total != whole.tiles())
      return make_error(StatusCode::kDataCorrupt, "its parts have {} row tiles, expected {}", total,
                        whole.tiles());
    return {};
  }

  const std::shared_ptr<const CompiledModel>& model_;
  Graph graph_;
  std::set<std::string> seen_;
};

}  // namespace

Result<Graph> stored_weights(const std::shared_ptr<const CompiledModel>& model) {
  return Collector(model).collect();
}

}  // namespace bitnetc
