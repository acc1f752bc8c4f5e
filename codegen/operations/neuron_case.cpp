#include "codegen/operations/neuron_case.h"

#include <algorithm>
#include <limits>

namespace bitnetc {

Status check_neurons(const std::string& name, const NeuronRows& rows, int64_t n) {
  if (n % kTileRows != 0)
    return make_error(StatusCode::kInvalidArgument, "{}: n = {} is not a multiple of {}", name, n,
                      kTileRows);
  constexpr int64_t kMostBytes = std::numeric_limits<int32_t>::max();
  if (rows.neurons > kMostBytes / rows.row_bytes())
    return make_error(StatusCode::kInvalidArgument, "{}: {} rows of {} bytes, expected at most {}",
                      name, rows.neurons, rows.row_bytes(), kMostBytes);
  return {};
}

std::vector<proof::CallCase> neuron_cases(int64_t units) {
  std::vector<proof::CallCase> cases;
  for (const int64_t percent : kActivePercents)
    cases.push_back({.name = fmt::format("{} % active", percent),
                     .percent_active = percent,
                     .optional = percent != 50,
                     .at_start = false});
  for (const int64_t last : {3, 1})
    cases.push_back({.name = fmt::format("the last {} units", last),
                     .first = std::max(int64_t{0}, units - last),
                     .percent_active = 30,
                     .at_start = last == 3});
  return cases;
}

void make_codes(std::span<uint8_t> packed) {
  for (uint8_t& byte : packed) byte = static_cast<uint8_t>(byte & ~(byte << 1 & 0xaa));  // 3: 1
}

void finish_row(std::span<int8_t> x, int64_t k, int32_t& sum) {
  std::ranges::fill(x.subspan(static_cast<size_t>(k)), int8_t{0});
  sum = 0;
  for (const int8_t value : x) sum += value;
}

}  // namespace bitnetc
