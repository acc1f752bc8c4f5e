// What tests against recorded outputs of other implementations share: reading them, and measuring
// how far two rows of numbers are apart.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "frontend/safetensors/safetensors_file.h"

namespace bitnetc::test {

nlohmann::json read_json(const std::string& path);
// Throws where it cannot be opened.
SafetensorsFile open_tensors(const std::string& path);

// The tensor's elements, which are of type T. Throws where there is no such tensor.
template <typename T>
std::vector<T> read_tensor(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor* tensor = file.find(name);
  if (tensor == nullptr) throw std::runtime_error("golden tensor " + name + " is missing");
  std::vector<T> values(tensor->bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor->bytes.data(), values.size() * sizeof(T));
  return values;
}

struct Difference {
  double max_abs = 0, rms = 0;
};
// Both have as many values; fails the calling test where not.
Difference difference(std::span<const float> a, std::span<const float> b);
// Largest difference relative to the largest magnitude of `expected`; the difference itself where
// that is zero.
double relative_max(std::span<const float> actual, std::span<const float> expected);

int32_t argmax(std::span<const float> logits);  // the lowest id among equals
// -log softmax(logits)[target]
double negative_log_likelihood(std::span<const float> logits, int32_t target);

}  // namespace bitnetc::test
