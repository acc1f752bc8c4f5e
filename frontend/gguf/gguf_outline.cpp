#include "frontend/gguf/gguf_outline.h"

#include "frontend/gguf/gguf_config.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/tensor_types/read_tensor.h"

namespace bitnetc {
namespace {

// Where scales differ, they do so as the type stores them: in a matrix of few columns, a scale per
// block may happen to be one per row.
std::string scales_text(const gguf::TensorType& type, const Scales& scales) {
  if (scales.kind == Scales::Kind::kTensor) return "one scale per matrix";
  if (scales.kind == Scales::Kind::kRow && type.factors != gguf::FactorSpan::kBlock)
    return "a scale per row";
  return fmt::format("a scale per {} columns of a row",
                     scales.kind == Scales::Kind::kRow ? type.block_elements : scales.group);
}

std::string type_text(const GgufModel& model) {
  const GgufTensor* matrix = model.find("blk.0.attn_q.weight");
  if (matrix == nullptr) return "without the first layer's attn_q";
  const auto stored = gguf::identify(*matrix);
  if (!stored.ok()) return fmt::format("of a type that is not read (number {})", matrix->type_id);
  const auto ternary = gguf::read_ternary(*stored, std::nullopt);
  matrix->forget();
  if (!ternary.ok()) return fmt::format("{}, float", stored->type->name);
  return fmt::format("{}, ternary with {}", stored->type->name,
                     scales_text(*stored->type, ternary->scales));
}

}  // namespace

Result<ModelOutline> outline_gguf(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(const GgufModel model, GgufModel::open(path));
  MetadataReader reader(model.first());
  BITNETC_ASSIGN_OR_RETURN(const GgufConfig config, read_gguf_config(model, &reader));
  ModelOutline outline{.config = config.facts.config, .weights = type_text(model)};
  // Without these norms it is the language model that the encoder was made of.
  if (config.family->output == ModelOutput::kHidden && !config.facts.has_projection_norms) {
    outline.config.output = ModelOutput::kLogits;
    outline.weights += ", float activations";
  }
  for (const auto& each : model.files()) outline.weight_bytes += each->bytes().size();
  return outline;
}

}  // namespace bitnetc
