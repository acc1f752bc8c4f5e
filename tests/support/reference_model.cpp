#include "tests/support/reference_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "runtime/linked_steps.h"
#include "runtime/math.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/golden.h"

namespace bitnetc::test {

std::string reference_folder(const std::string& name) {
  return BITNETC_SOURCE_DIR "/tests/golden/data/families/" + name;
}

std::shared_ptr<const Executable> compile_and_link(const std::string& folder,
                                                   const Target& target) {
  const TempFolder temporary;
  const std::string path = temporary.file("m.bnc");
  compile_folder(folder, path, target);
  return link_file(path, target);  // the mapping outlives the file's name
}

ModelFiles read_model_files(const std::string& folder) {
  ModelFiles model;
  model.config = read_json(folder + "/config.json");
  if (std::filesystem::exists(folder + "/generation_config.json"))
    model.generation = read_json(folder + "/generation_config.json");
  model.tokenizer_json = read_file(folder + "/tokenizer.json");
  const SafetensorsFile file = open_tensors(folder + "/model.safetensors");
  for (const StoredTensor& tensor : file.tensors())
    model.tensors[tensor.name] = {
        tensor.dtype, tensor.shape, {tensor.bytes.begin(), tensor.bytes.end()}};
  return model;
}

namespace {

// Magnitudes whose mean is exactly `mean`, and of which those of zeros are below half of it.
std::vector<float> masters_of(const std::vector<int8_t>& trits, double mean) {
  const auto count = static_cast<double>(trits.size());
  const auto used =
      static_cast<double>(trits.size() - static_cast<size_t>(std::ranges::count(trits, 0)));
  if (used == 0) return std::vector<float>(trits.size(), 1e-34f);
  const double of_zero = 0.25 * mean, of_used = (count * mean - (count - used) * of_zero) / used;
  std::vector<float> masters;
  double sum = 0;
  for (const int8_t trit : trits) {
    masters.push_back(static_cast<float>(trit == 0 ? of_zero : trit * of_used));
    sum += std::abs(masters.back());
  }
  // What rounding has added goes from one of them.
  masters[0] = std::copysign(static_cast<float>(std::abs(double{masters[0]}) + count * mean - sum),
                             masters[0]);
  return masters;
}

float scalar_of(const TensorData& tensor) {
  uint32_t bits = 0;
  std::memcpy(&bits, tensor.bytes.data(), tensor.bytes.size());
  if (tensor.dtype == "F32") return std::bit_cast<float>(bits);
  return math::widen_bf16(static_cast<uint16_t>(bits));
}

}  // namespace

void unpack_to_masters(ModelFiles& model) {
  TensorMap masters;
  for (const auto& [name, tensor] : model.tensors) {
    if (name.ends_with("_scale")) continue;
    masters[name] = tensor;
    if (tensor.dtype != "U8") continue;
    const int64_t quarter = tensor.shape[0], columns = tensor.shape[1];
    const bool is_gated = name.ends_with("gate_proj.weight") || name.ends_with("up_proj.weight");
    const int64_t rows = is_gated ? model.config["intermediate_size"].get<int64_t>() : 4 * quarter;
    std::vector<int8_t> trits;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column)
        trits.push_back(static_cast<int8_t>(
            (tensor.bytes[static_cast<size_t>(row % quarter * columns + column)] >>
                 (2 * (row / quarter)) &
             3) -
            1));
    const auto weights = masters_of(trits, scalar_of(model.tensors.at(name + "_scale")));
    TensorData unpacked{"F32", {rows, columns}, {}};
    unpacked.bytes.resize(weights.size() * sizeof(float));
    std::memcpy(unpacked.bytes.data(), weights.data(), unpacked.bytes.size());
    masters[name] = std::move(unpacked);
  }
  model.tensors = std::move(masters);
}

StepRecord::StepRecord(std::shared_ptr<const Executable> executable, std::span<const int32_t> ids)
    : rows_(ids.size()) {
  auto session = make_session(std::move(executable), {.threads = 2});
  session->set_tap([&](const LinkedStep& step, int64_t rows, std::span<const StepOutput> outputs) {
    for (const StepOutput& output : outputs) {
      Values& values = values_[step.name() + "." + std::string(output.operand)];
      values = {.columns = output.columns, .floats = {}, .codes = {}};
      for (int64_t row = 0; row < rows; ++row) {
        if (output.type == ElementType::kI8)
          values.codes.insert(values.codes.end(), output.i8() + row * output.stride,
                              output.i8() + row * output.stride + output.columns);
        if (output.type == ElementType::kF32)
          values.floats.insert(values.floats.end(), output.f32() + row * output.stride,
                               output.f32() + row * output.stride + output.columns);
      }
    }
  });
  const Status status =
      session->append_all_logits(ids, [&](int64_t, std::span<const float> logits) {
        logits_.insert(logits_.end(), logits.begin(), logits.end());
      });
  if (!status.ok()) throw std::runtime_error(status.message());
}

const StepRecord::Values& StepRecord::find(const std::string& name, int64_t columns) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw std::runtime_error("no step wrote " + name);
  if (found->second.columns < columns) throw std::runtime_error(name + " has fewer columns");
  return found->second;
}

namespace {

template <typename T>
std::vector<T> columns_of(const std::vector<T>& values, size_t rows, int64_t width, int64_t first,
                          int64_t columns) {
  std::vector<T> part;
  for (size_t row = 0; row < rows; ++row) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(row) * width + first;
    part.insert(part.end(), begin, begin + columns);
  }
  return part;
}

}  // namespace

std::vector<float> StepRecord::floats(const std::string& name, int64_t first,
                                      int64_t columns) const {
  const Values& values = find(name, first + columns);
  return columns_of(values.floats, rows_, values.columns, first, columns);
}

std::vector<int8_t> StepRecord::codes(const std::string& name, int64_t columns) const {
  const Values& values = find(name, columns);
  return columns_of(values.codes, rows_, values.columns, 0, columns);
}

}  // namespace bitnetc::test
