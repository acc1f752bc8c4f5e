#include "frontend/hf/hf_weight_source.h"

#include "frontend/hf/ternary_weights.h"
#include "runtime/math.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

bool is_float(TensorType type) {
  return float_type_of(type).has_value();
}
bool is_u8(TensorType type) {
  return type == TensorType::kU8;
}

}  // namespace

// Which types a tensor may have, and how a message says so.
struct HfWeightSource::TypeRule {
  bool (*accepts)(TensorType);
  const char* text;

  static const TypeRule kFloat, kPackedTrits, kMasters;
};
constexpr HfWeightSource::TypeRule HfWeightSource::TypeRule::kFloat{is_float, "BF16, F16 or F32"};
constexpr HfWeightSource::TypeRule HfWeightSource::TypeRule::kPackedTrits{
    is_u8, "U8 (packed weights, as quantization_mode is offline)"};
constexpr HfWeightSource::TypeRule HfWeightSource::TypeRule::kMasters{
    is_float,
    "BF16, F16 or F32 (float masters, as quantization_mode is online or there is no "
    "quantization_config)"};

HfWeightSource::HfWeightSource(const HfConfig& config, const SafetensorsModel& tensors)
    : config_(config),
      tensors_(tensors),
      has_prefix_(tensors.find("model.embed_tokens.weight") != nullptr ||
                  tensors.find("embed_tokens.weight") == nullptr) {}

std::string HfWeightSource::tensor_name(const std::string& name, const char* ending) const {
  constexpr std::string_view kPrefix = "model.";
  std::string stored = name;
  if (!has_prefix_ && stored.starts_with(kPrefix)) stored.erase(0, kPrefix.size());
  // transformers calls the norm in front of a projection rms_norm, published checkpoints norm.
  constexpr std::string_view kNorm = "_proj.norm";
  if (stored.ends_with(kNorm) && tensors_.find(stored + ending) == nullptr) {
    const std::string other = stored.substr(0, stored.size() - 4) + "rms_norm";
    if (tensors_.find(other + ending) != nullptr) stored = other;
  }
  return stored + ending;
}

const StoredTensor* HfWeightSource::find(const std::string& name) const {
  return tensors_.find(tensor_name(name, ".weight"));
}

Result<const StoredTensor*> HfWeightSource::pick(const std::string& tensor_name,
                                                 const TypeRule& rule,
                                                 const std::vector<int64_t>& shape) {
  const StoredTensor* tensor = tensors_.find(tensor_name);
  if (tensor == nullptr)
    return make_error(StatusCode::kNotFound, "{}: tensor {} is missing, expected {} {}",
                      tensors_.folder(), tensor_name, rule.text, shape_text(shape));
  used_.insert(tensor_name);
  if (!rule.accepts(tensor->type))
    return make_error(StatusCode::kDataCorrupt, "{}: dtype is {}, expected {}", tensor->label(),
                      printable(tensor->dtype), rule.text);
  if (tensor->shape != shape)
    return make_error(StatusCode::kDataCorrupt, "{}: shape is {}, expected {}", tensor->label(),
                      shape_text(tensor->shape), shape_text(shape));
  return tensor;
}

Result<TernarySource> HfWeightSource::ternary(const std::string& name, int64_t n, int64_t k) {
  return config_.storage == WeightStorage::kPacked ? packed(name, n, k) : masters(name, n, k);
}

Result<TernarySource> HfWeightSource::packed(const std::string& name, int64_t n, int64_t k) {
  BITNETC_ASSIGN_OR_RETURN(
      const StoredTensor* trits,
      pick(tensor_name(name, ".weight"), TypeRule::kPackedTrits, {(n + 3) / 4, k}));
  // The scale may be stored as [1] or as a scalar.
  const std::string scale_name = tensor_name(name, ".weight_scale");
  const StoredTensor* found = tensors_.find(scale_name);
  const bool scalar = found != nullptr && found->shape.empty();
  BITNETC_ASSIGN_OR_RETURN(const StoredTensor* stored_scale,
                           pick(scale_name, TypeRule::kFloat,
                                scalar ? std::vector<int64_t>() : std::vector<int64_t>{1}));
  BITNETC_ASSIGN_OR_RETURN(const float scale, read_weight_scale(*stored_scale, config_.scale_rule));
  return TernarySource{.name = name, .n = n, .k = k, .load = [tensor = *trits, n, scale] {
                         auto matrix = unpack_ternary(tensor, n, scale);
                         tensor.forget();
                         return matrix;
                       }};
}

Result<TernarySource> HfWeightSource::masters(const std::string& name, int64_t n, int64_t k) {
  BITNETC_ASSIGN_OR_RETURN(const StoredTensor* stored,
                           pick(tensor_name(name, ".weight"), TypeRule::kMasters, {n, k}));
  return TernarySource{
      .name = name, .n = n, .k = k, .load = [tensor = *stored, rule = config_.master_scale] {
        auto matrix = quantise_absmean(tensor, rule);
        tensor.forget();
        return matrix;
      }};
}

// Points into the mapping, or at a copy where the file left the table unaligned.
Result<FloatTable> HfWeightSource::table(const std::string& name, int64_t rows, int64_t columns) {
  BITNETC_ASSIGN_OR_RETURN(const StoredTensor* tensor,
                           pick(tensor_name(name, ".weight"), TypeRule::kFloat, {rows, columns}));
  BITNETC_RETURN_IF_ERROR(check_finite(*tensor));
  FloatTable table{.name = name + ".weight",
                   .type = *float_type_of(tensor->type),
                   .rows = rows,
                   .columns = columns,
                   .bytes = tensor->bytes,
                   .owner = tensor->file};
  const auto address = reinterpret_cast<uintptr_t>(tensor->bytes.data());
  if (address % static_cast<uintptr_t>(float_type_bytes(table.type)) != 0) {
    auto copy = std::make_shared<std::vector<uint8_t>>(tensor->bytes.begin(), tensor->bytes.end());
    table.bytes = *copy;
    table.owner = std::move(copy);
  }
  tensor->forget();
  return table;
}

Result<FloatVector> HfWeightSource::vector(const std::string& name, int64_t length) {
  BITNETC_ASSIGN_OR_RETURN(const StoredTensor* tensor,
                           pick(tensor_name(name, ".weight"), TypeRule::kFloat, {length}));
  BITNETC_RETURN_IF_ERROR(check_finite(*tensor));
  FloatVector vector{.name = name + ".weight", .values = {}};
  vector.values.resize(static_cast<size_t>(length));
  math::widen(*float_type_of(tensor->type), tensor->bytes.data(), length, vector.values.data());
  return vector;
}

std::vector<std::string> HfWeightSource::unused() const {
  std::vector<std::string> names;
  for (const std::string& name : tensors_.tensor_names())
    if (!used_.contains(name)) names.push_back(name);
  return names;
}

}  // namespace bitnetc
