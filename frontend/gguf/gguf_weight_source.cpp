#include "frontend/gguf/gguf_weight_source.h"

#include <algorithm>

#include "frontend/gguf/tensor_types/read_tensor.h"
#include "runtime/printable.h"

namespace bitnetc {

using gguf::TypedTensor;

namespace {

// Extents of 1 at the end say nothing: writers leave them out or not.
std::vector<int64_t> without_ones(std::vector<int64_t> extents) {
  while (extents.size() > 1 && extents.back() == 1) extents.pop_back();
  return extents;
}

// Moves row `file` of every head to row `model`, or back: 2i + h and h * head_dim/2 + i.
void reorder_rows(TernaryMatrix* matrix, int64_t heads, bool from_file) {
  const int64_t head_dim = matrix->n / heads, half = head_dim / 2;
  BITNETC_CHECK(matrix->n % heads == 0 && head_dim % 2 == 0, "{} rows in {} heads", matrix->n,
                heads);
  // Rows of `width` values.
  const auto reorder = [&](auto& values, int64_t width) {
    auto reordered = values;
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t i = 0; i < half; ++i)
        for (int64_t h = 0; h < 2; ++h) {
          int64_t from = head * head_dim + 2 * i + h, to = head * head_dim + h * half + i;
          if (!from_file) std::swap(from, to);
          std::copy_n(values.begin() + from * width, width, reordered.begin() + to * width);
        }
    values = std::move(reordered);
  };
  reorder(matrix->trits, matrix->k);
  if (matrix->scales.kind != Scales::Kind::kTensor)
    reorder(matrix->scales.values, std::ssize(matrix->scales.values) / matrix->n);
}

}  // namespace

void restore_rotated_rows(TernaryMatrix* matrix, int64_t heads) {
  reorder_rows(matrix, heads, true);
}

void rotate_rows(TernaryMatrix* matrix, int64_t heads) {
  reorder_rows(matrix, heads, false);
}

Result<TypedTensor> GgufWeightSource::pick(const std::string& weight,
                                           const std::vector<int64_t>& extents) {
  const auto file_name = gguf_tensor_name(architecture_, weight);
  if (!file_name)
    return make_error(StatusCode::kUnsupported, "{}: architecture \"{}\" has no tensor for {}",
                      model_.origin(), architecture_.name, weight);
  const std::string tensor_name = *file_name + ".weight";
  const GgufTensor* tensor = model_.find(tensor_name);
  if (tensor == nullptr)
    return make_error(StatusCode::kNotFound, "{}: tensor {} is missing, expected extents {}",
                      model_.origin(), tensor_name, extents_text(extents));
  used_.insert(tensor_name);
  if (without_ones(tensor->extents) != without_ones(extents))
    return make_error(StatusCode::kDataCorrupt, "{}: extents are {}, expected {}", tensor->label(),
                      extents_text(tensor->extents), extents_text(extents));
  return gguf::identify(*tensor);
}

// NAME.scale of older converters, which multiplies what NAME.weight holds.
Result<std::optional<float>> GgufWeightSource::scale_tensor(const std::string& file_name) {
  const std::string name = file_name + ".scale";
  const GgufTensor* tensor = model_.find(name);
  if (tensor == nullptr) return std::optional<float>();
  used_.insert(name);
  if (tensor->elements != 1)
    return make_error(StatusCode::kDataCorrupt, "{}: extents are {}, expected one element",
                      tensor->label(), extents_text(tensor->extents));
  BITNETC_ASSIGN_OR_RETURN(const TypedTensor stored, gguf::identify(*tensor));
  BITNETC_ASSIGN_OR_RETURN(const std::vector<float> scale, gguf::read_vector(stored));
  if (!(scale[0] > 0))
    return make_error(StatusCode::kDataCorrupt, "{}: is {}, expected a positive number",
                      tensor->label(), scale[0]);
  return std::optional(scale[0]);
}

int64_t GgufWeightSource::rotated_heads(const std::string& weight) const {
  if (!architecture_.permutes_qk) return 0;
  if (weight.ends_with(".self_attn.q_proj")) return config_.q_heads;
  return weight.ends_with(".self_attn.k_proj") ? config_.kv_heads : 0;
}

Result<TernarySource> GgufWeightSource::ternary(const std::string& name, int64_t n, int64_t k) {
  BITNETC_ASSIGN_OR_RETURN(const TypedTensor stored, pick(name, {k, n}));
  BITNETC_ASSIGN_OR_RETURN(const std::optional<float> factor,
                           scale_tensor(gguf_tensor_name(architecture_, name).value()));
  return TernarySource{.name = name,
                       .n = n,
                       .k = k,
                       .load = [tensor = *stored.tensor, type = stored.type, bytes = stored.bytes,
                                factor, heads = rotated_heads(name)]() -> Result<TernaryMatrix> {
                         auto matrix = gguf::read_ternary({&tensor, type, bytes}, factor);
                         tensor.forget();
                         if (matrix.ok() && heads > 0) restore_rotated_rows(&*matrix, heads);
                         return matrix;
                       },
                       .origin = stored.tensor->label()};
}

Result<FloatTable> GgufWeightSource::table(const std::string& name, int64_t rows, int64_t columns) {
  BITNETC_ASSIGN_OR_RETURN(const TypedTensor stored, pick(name, {columns, rows}));
  BITNETC_ASSIGN_OR_RETURN(FloatTable table, gguf::read_table(stored));
  table.name = name + ".weight";
  stored.tensor->forget();
  const bool is_plain = stored.type->block_elements == 1;
  if (!is_plain)
    notes_.push_back(fmt::format(
        "{}: type {} is kept as {}, exactly ({:.1f} MB)", stored.tensor->label(), stored.type->name,
        float_type_name(table.type), static_cast<double>(table.bytes.size()) / 1e6));
  return table;
}

Result<FloatVector> GgufWeightSource::vector(const std::string& name, int64_t length) {
  BITNETC_ASSIGN_OR_RETURN(const TypedTensor stored, pick(name, {length}));
  FloatVector vector{.name = name + ".weight", .values = {}};
  BITNETC_ASSIGN_OR_RETURN(vector.values, gguf::read_vector(stored));
  return vector;
}

std::vector<std::string> GgufWeightSource::unused() const {
  std::vector<std::string> names;
  for (std::string& name : model_.tensor_names())
    if (!used_.contains(name)) names.push_back(std::move(name));
  return names;
}

}  // namespace bitnetc
