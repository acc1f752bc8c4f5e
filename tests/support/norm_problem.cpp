#include "tests/support/norm_problem.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include "codegen/reference/reference.h"

namespace bitnetc::test {
namespace {

std::vector<float> normal_values(int64_t k, float scale, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> distribution(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(k));
  for (float& value : values) value = distribution(engine);
  return values;
}

std::unique_ptr<GuardedBuffer<float>> guarded(const std::vector<float>& values, Edge edge) {
  auto buffer = std::make_unique<GuardedBuffer<float>>(values.size(), edge);
  std::copy(values.begin(), values.end(), buffer->begin());
  return buffer;
}

template <typename T>
std::string first_difference(const char* what, const GuardedBuffer<T>& got,
                             const GuardedBuffer<T>& expected) {
  if (!got.slack_intact()) return fmt::format("{}: bytes beside the buffer were written", what);
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::memcmp(&got[i], &expected[i], sizeof(T)) != 0)
      return fmt::format("{}[{}] = {}, expected {}", what, i, +got[i], +expected[i]);
  }
  return "";
}

// The outputs of one run of norm_quantize, filled with values that no run leaves.
struct Outputs {
  Outputs(const NormQuantizeSpec& spec, Edge edge)
      : q(static_cast<size_t>(spec.padded_k()), edge),
        normed(static_cast<size_t>(spec.k), edge),
        scale(1, edge),
        sum(1, edge) {
    std::fill(q.begin(), q.end(), int8_t{0x55});
    std::fill(normed.begin(), normed.end(), -12345.0f);
    scale[0] = -1.0f;
    sum[0] = 0x55555555;
  }
  NormQuantizeArgs args(const float* x, const float* weight, bool with_normed) {
    return {.x = x,
            .weight = weight,
            .q = q.data(),
            .scale = scale.data(),
            .sum = sum.data(),
            .normed = with_normed ? normed.data() : nullptr};
  }

  GuardedBuffer<int8_t> q;
  GuardedBuffer<float> normed, scale;
  GuardedBuffer<int32_t> sum;
};

}  // namespace

std::vector<NormRow> norm_rows(int64_t k) {
  const auto seed = static_cast<uint32_t>(k);
  const std::vector<float> weight = normal_values(k, 1.0f, seed + 1);
  std::vector<NormRow> rows;
  for (const float scale : {1.0f, 300.0f, 1e15f, 1e19f, 1e-4f, 1e-20f, 1e-41f})
    rows.push_back({fmt::format("normal x{}", scale), normal_values(k, scale, seed), weight});
  rows.push_back({"tiny weights", normal_values(k, 1.0f, seed), normal_values(k, 1e-7f, seed)});
  rows.push_back({"huge weights", normal_values(k, 1.0f, seed), normal_values(k, 1e30f, seed)});
  rows.push_back({"zeros", std::vector<float>(static_cast<size_t>(k)), weight});
  rows.push_back({"spike at the start", std::vector<float>(static_cast<size_t>(k)), weight});
  rows.back().x.front() = -1e4f;
  rows.push_back({"spike at the end", std::vector<float>(static_cast<size_t>(k)), weight});
  rows.back().x.back() = 1e4f;
  return rows;
}

// x = +-1/2, so the mean square is 1/4 and r = 1 / sqrt(1/4 + 3/4); y = x * w = +-(j + 1/2), except
// the first, which is 127 and makes the factor 1.
NormRow tie_row(int64_t k) {
  NormRow row{"ties", {}, {}};
  for (int64_t i = 0; i < k; ++i) {
    row.x.push_back(i % 2 == 0 ? 0.5f : -0.5f);
    row.weight.push_back(i == 0 ? 254.0f : static_cast<float>(2 * (i % 127) + 1));
  }
  return row;
}

std::string compare_norm_quantize(const NormQuantizeSpec& spec, const Kernel& kernel,
                                  const NormRow& row, Edge edge) {
  const auto x = guarded(row.x, edge), weight = guarded(row.weight, edge);
  for (const bool with_normed : {false, true}) {
    Outputs got(spec, edge), expected(spec, edge);
    kernel(got.args(x->data(), weight->data(), with_normed));
    reference::norm_quantize(spec, expected.args(x->data(), weight->data(), with_normed));
    for (const std::string& difference :
         {first_difference("scale", got.scale, expected.scale),
          first_difference("sum", got.sum, expected.sum), first_difference("q", got.q, expected.q),
          first_difference("normed", got.normed, expected.normed)}) {
      if (!difference.empty())
        return fmt::format("{}, {}, normed {}: {}", spec_name(spec), row.name,
                           with_normed ? "wanted" : "null", difference);
    }
  }
  return "";
}

std::vector<QuantizeRow> quantize_rows(int64_t k) {
  const auto columns = static_cast<size_t>(k);
  const auto seed = static_cast<uint32_t>(k) + 7;
  std::vector<QuantizeRow> rows;
  for (const float scale : {1.0f, 300.0f, 1e-4f, 1e-6f, 1e-20f, 1e-41f, 1e30f, 1e37f})
    rows.push_back({fmt::format("normal x{}", scale), normal_values(k, scale, seed), {}});
  rows.push_back({"zeros", std::vector<float>(columns), {}});
  rows.push_back({"largest", std::vector<float>(columns, std::numeric_limits<float>::max()), {}});
  rows.push_back({"ties", std::vector<float>(columns), {}});
  for (size_t i = 0; i < columns; ++i) rows.back().x[i] = static_cast<float>(i % 127) - 62.5f;
  rows.back().x.front() = 127.0f;
  for (const float odd :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    rows.push_back({fmt::format("with {}", odd), normal_values(k, 1.0f, seed), {}});
    for (size_t i = columns / 3; i < columns; i += 5) rows.back().x[i] = odd;
  }
  const size_t plain = rows.size();
  for (size_t r = 0; r < plain; ++r) {
    QuantizeRow& row = rows[r];
    QuantizeRow parts = row;
    parts.name += ", seven absmax values";
    parts.stride = 5;
    parts.absmax.assign(6 * 5 + 1, std::numeric_limits<float>::quiet_NaN());
    for (size_t part = 0; part < 7; ++part) parts.absmax[5 * part] = 0.0f;
    row.absmax = {0.0f};
    for (size_t i = 0; i < columns; ++i) {
      float& of_part = parts.absmax[5 * (i % 7)];
      row.absmax[0] = std::max(row.absmax[0], std::fabs(row.x[i]));
      of_part = std::max(of_part, std::fabs(row.x[i]));
    }
    rows.push_back(std::move(parts));
  }
  // Absmax values that are wrong: codes saturate.
  rows.push_back({"too small a maximum", normal_values(k, 1e9f, seed), {1.0f}});
  rows.push_back({"a NaN among the absmax values",
                  normal_values(k, 1.0f, seed),
                  {2.0f, std::numeric_limits<float>::quiet_NaN(), 3.0f}});
  return rows;
}

std::string compare_quantize(const QuantizeSpec& spec, const Kernel& kernel, const QuantizeRow& row,
                             Edge edge) {
  const auto x = guarded(row.x, edge), absmax = guarded(row.absmax, edge);
  const auto padded = static_cast<size_t>(spec.padded_k());
  GuardedBuffer<int8_t> q(padded, edge), expected_q(padded, edge);
  GuardedBuffer<float> scale(1, edge), expected_scale(1, edge);
  GuardedBuffer<int32_t> sum(1, edge), expected_sum(1, edge);
  QuantizeArgs args{.x = x->data(),
                    .absmax = absmax->data(),
                    .absmax_count = (std::ssize(row.absmax) + row.stride - 1) / row.stride,
                    .absmax_stride = row.stride,
                    .q = expected_q.data(),
                    .scale = expected_scale.data(),
                    .sum = expected_sum.data()};
  reference::quantize(spec, args);
  args.q = q.data(), args.scale = scale.data(), args.sum = sum.data();
  kernel(args);
  for (const std::string& difference :
       {first_difference("scale", scale, expected_scale),
        first_difference("sum", sum, expected_sum), first_difference("q", q, expected_q)}) {
    if (!difference.empty())
      return fmt::format("{}, {}: {}", spec_name(spec), row.name, difference);
  }
  return "";
}

std::string compare_rms_norm(const RmsNormSpec& spec, const Kernel& kernel, const NormRow& row,
                             Edge edge) {
  const auto x = guarded(row.x, edge), weight = guarded(row.weight, edge);
  GuardedBuffer<float> got(row.x.size(), edge), expected(row.x.size(), edge);
  kernel(RmsNormArgs{.x = x->data(), .weight = weight->data(), .y = got.data()});
  reference::rms_norm(spec, {.x = x->data(), .weight = weight->data(), .y = expected.data()});
  const std::string difference = first_difference("y", got, expected);
  return difference.empty() ? "" : fmt::format("{}, {}: {}", spec_name(spec), row.name, difference);
}

}  // namespace bitnetc::test
