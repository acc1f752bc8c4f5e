#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

namespace bitnetc::test {

nlohmann::json read_json(const std::string& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

SafetensorsFile open_tensors(const std::string& path) {
  auto file = SafetensorsFile::open(path);
  if (!file.ok()) throw std::runtime_error(file.status().message());
  return *std::move(file);
}

Difference difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  Difference result;
  double squares = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double d = std::abs(double{a[i]} - double{b[i]});
    result.max_abs = std::max(result.max_abs, d);
    squares += d * d;
  }
  result.rms = std::sqrt(squares / static_cast<double>(a.size()));
  return result;
}

double relative_max(std::span<const float> actual, std::span<const float> expected) {
  float largest = 0;
  for (float x : expected) largest = std::max(largest, std::abs(x));
  return difference(actual, expected).max_abs / (largest > 0 ? double{largest} : 1.0);
}

int32_t argmax(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double negative_log_likelihood(std::span<const float> logits, int32_t target) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(double{logit} - highest);
  return std::log(sum) + highest - double{logits[static_cast<size_t>(target)]};
}

}  // namespace bitnetc::test
