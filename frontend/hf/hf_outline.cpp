#include "frontend/hf/hf_outline.h"

#include <algorithm>
#include <cmath>

#include "frontend/families/family.h"
#include "frontend/hf/hf_config.h"
#include "frontend/hf/hf_weight_source.h"
#include "frontend/hf/ternary_weights.h"
#include "frontend/safetensors/safetensors_model.h"
#include "frontend/source_file.h"
#include "runtime/mapped_file.h"
#include "runtime/math.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

// Whether every value is -d, 0 or +d for one d.
bool is_ternary(std::span<const float> values) {
  float magnitude = 0;
  for (const float value : values) {
    if (value == 0) continue;
    if (magnitude == 0) magnitude = std::fabs(value);
    if (std::fabs(value) != magnitude) return false;
  }
  return true;
}

// The most columns of a row of which every group is ternary, of the numbers that published models
// have; 0: none.
int64_t ternary_group(const StoredTensor& matrix) {
  const auto type = float_type_of(matrix.type);
  if (!type || matrix.shape.size() != 2) return 0;
  const int64_t rows = matrix.shape[0], columns = matrix.shape[1];
  std::vector<float> row(static_cast<size_t>(columns));
  for (const int64_t group : {128, 64}) {
    bool holds = true;
    for (int64_t r = 0; r < rows && holds; ++r) {
      math::widen(*type, matrix.bytes.data() + r * columns * float_type_bytes(*type), columns,
                  row.data());
      for (int64_t first = 0; first < columns && holds; first += group)
        holds = is_ternary(std::span(row).subspan(
            static_cast<size_t>(first), static_cast<size_t>(std::min(group, columns - first))));
    }
    if (holds) return group;
  }
  return 0;
}

std::string describe_weights(const HfConfig& config, const Family& family, bool projection_norms,
                             const StoredTensor* matrix) {
  if (config.storage == WeightStorage::kPacked) return "ternary, packed, one scale per matrix";
  if (projection_norms || family.output == ModelOutput::kLogits)
    return "float masters, to become ternary with one scale per matrix";
  if (matrix == nullptr) return "without the first layer's q_proj";
  const int64_t group = ternary_group(*matrix);
  matrix->forget();
  const std::string type = printable(matrix->dtype);
  if (group == 0) return type + ", float";
  return fmt::format("{}, ternary with a scale per {} columns of a row, float activations", type,
                     group);
}

}  // namespace

Result<ModelOutline> outline_hf_folder(const std::string& folder) {
  BITNETC_ASSIGN_OR_RETURN(const auto file, MappedFile::open(folder + "/config.json"));
  LoadReport unused;
  BITNETC_ASSIGN_OR_RETURN(const HfConfig config,
                           read_hf_config(text_of(*file), printable_path(file->path()), &unused));
  BITNETC_ASSIGN_OR_RETURN(const SafetensorsModel tensors, SafetensorsModel::open(folder));
  const HfWeightSource weights(config, tensors);
  const bool norms = weights.find("model.layers.0.self_attn.q_proj.norm") != nullptr;
  ModelOutline outline{
      .config = config.model,
      .weights = describe_weights(config, *find_family(config.model.family), norms,
                                  weights.find("model.layers.0.self_attn.q_proj"))};
  // Without these norms it is the language model that the encoder was made of.
  if (!norms) outline.config.output = ModelOutput::kLogits;
  for (const auto& each : tensors.files()) outline.weight_bytes += each->bytes().size();
  return outline;
}

}  // namespace bitnetc
