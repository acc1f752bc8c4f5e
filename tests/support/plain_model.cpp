#include "tests/support/plain_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "runtime/math.h"

namespace bitnetc::test {
namespace {

using Row = std::vector<float>;

size_t index(int64_t value) {
  return static_cast<size_t>(value);
}

// Section 3: the sum of f(i, lane) in 64 lanes.
template <typename F>
float lanes64(size_t n, const F& f) {
  float lanes[64] = {};
  for (size_t i = 0; i < n; ++i) lanes[i % 64] = f(i, lanes[i % 64]);
  for (size_t half = 32; half > 0; half /= 2)
    for (size_t l = 0; l < half; ++l) lanes[l] = lanes[l] + lanes[l + half];
  return lanes[0];
}

Row table_row(const FloatTable& table, int64_t row) {
  Row out(index(table.columns));
  const auto width = index(float_type_bytes(table.type));
  for (size_t i = 0; i < out.size(); ++i) {
    const uint8_t* bytes = table.bytes.data() + (index(row * table.columns) + i) * width;
    if (table.type == FloatType::kF32) {
      std::memcpy(&out[i], bytes, sizeof(float));
    } else {
      uint16_t bits = 0;
      std::memcpy(&bits, bytes, sizeof bits);
      out[i] = table.type == FloatType::kBf16 ? math::widen_bf16(bits) : math::widen_f16(bits);
    }
  }
  return out;
}

Row rms_norm(const Row& x, const Row& weight, float eps) {
  const float ss =
      lanes64(x.size(), [&](size_t i, float lane) { return std::fma(x[i], x[i], lane); });
  const float r = 1.0f / std::sqrt(ss / static_cast<float>(x.size()) + eps);
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = (x[i] * r) * weight[i];
  return y;
}

// Each of `heads` equal parts of the row by itself.
Row normed_heads(const Row& x, const Row& weight, const NormAttributes& norm) {
  Row y;
  const auto d = static_cast<std::ptrdiff_t>(weight.size());
  for (int64_t head = 0; head < norm.heads; ++head) {
    const Row part =
        rms_norm(Row(x.begin() + head * d, x.begin() + (head + 1) * d), weight, norm.eps);
    y.insert(y.end(), part.begin(), part.end());
  }
  return y;
}

// Section 9, for pair i of d / 2.
double frequency_of(const RopeAttributes& rope, size_t i) {
  const RopeScaling& s = rope.scaling;
  const auto d = static_cast<double>(rope.head_dim), pair = static_cast<double>(i);
  const double f = math::pow_f64(rope.theta, -(2.0 * pair) / d);
  const auto trained = static_cast<double>(s.original_positions);
  constexpr double kTwoPi = 0x1.921fb54442d18p+2;
  switch (s.kind) {
    case RopeScaling::Kind::kNone: return f;
    case RopeScaling::Kind::kLinear: return f / s.factor;
    case RopeScaling::Kind::kLlama3: {
      const double wave = kTwoPi / f;
      if (wave < trained / s.high_freq_factor) return f;
      if (wave > trained / s.low_freq_factor) return f / s.factor;
      const double mix =
          (trained / wave - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
      return ((1 - mix) * f) / s.factor + mix * f;
    }
    case RopeScaling::Kind::kYarn: {
      const auto edge = [&](double turns) {
        return (d * math::log_f64(trained / (turns * kTwoPi))) / (2 * math::log_f64(rope.theta));
      };
      double low = edge(s.beta_fast), high = edge(s.beta_slow);
      if (s.truncate) low = std::floor(low), high = std::ceil(high);
      low = std::max(low, 0.0);
      high = std::min(high, d - 1);
      if (low == high) high += 0.001;
      const double mix = std::min(std::max((pair - low) / (high - low), 0.0), 1.0);
      return (f / s.factor) * mix + f * (1 - mix);
    }
  }
  throw std::logic_error("unknown scaling");
}

Row rotated(const RopeAttributes& rope, const Row& x, int64_t position) {
  Row y(x.size());
  const size_t d = index(rope.head_dim), half = d / 2;
  for (size_t head = 0; head < index(rope.heads); ++head)
    for (size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(position) * frequency_of(rope, i);
      const auto c = static_cast<float>(rope.scaling.amplitude * math::cos_f64(angle));
      const auto s = static_cast<float>(rope.scaling.amplitude * math::sin_f64(angle));
      const float a = x[head * d + i], b = x[head * d + i + half];
      y[head * d + i] = std::fma(a, c, -(b * s));
      y[head * d + i + half] = std::fma(b, c, a * s);
    }
  return y;
}

float activated(Activation activation, float gate) {
  switch (activation) {
    case Activation::kRelu2: return gate > 0 ? gate * gate : 0.0f;
    case Activation::kSilu: return math::silu_f32(gate);
    case Activation::kGelu: return math::gelu_f32(gate);
  }
  throw std::logic_error("unknown activation");
}

Row through_f16(Row row) {
  for (float& value : row) value = math::widen_f16(math::round_to_f16(value));
  return row;
}

}  // namespace

PlainModel::PlainModel(const Graph& graph, PlainOptions options)
    : graph_(graph), options_(std::move(options)) {
  for (const TernarySource& source : graph.ternary) {
    auto matrix = source.load();
    if (!matrix.ok()) throw std::runtime_error(matrix.status().message());
    matrices_.push_back(*std::move(matrix));
  }
}

std::vector<float> PlainModel::append(std::span<const int32_t> tokens) {
  Row logits;
  for (const int32_t token : tokens) {
    std::vector<Row> values(graph_.value_columns.size());
    for (const Node& node : graph_.nodes) {
      Row output = evaluate(node, values, token);
      if (options_.on_value) options_.on_value(node, output);
      if (&node == &graph_.nodes.back()) logits = output;
      values[index(node.output)] = std::move(output);
    }
    ++position_;
  }
  return logits;
}

PlainModel::Row PlainModel::evaluate(const Node& node, const std::vector<Row>& values,
                                     int32_t token) {
  const auto input = [&](size_t i) -> const Row& { return values[index(node.inputs[i])]; };
  switch (node.op) {
    case GraphOp::kEmbed: {
      Row h = table_row(graph_.tables[index(node.weight)], token);
      for (float& value : h) value *= std::get<EmbedAttributes>(node.attributes).scale;
      return h;
    }
    case GraphOp::kRmsNorm:
      return normed_heads(input(0), graph_.vectors[index(node.weight)].values,
                          std::get<NormAttributes>(node.attributes));
    case GraphOp::kBitLinear: return bit_linear(matrices_[index(node.weight)], input(0));
    case GraphOp::kRope:
      return rotated(std::get<RopeAttributes>(node.attributes), input(0), position_);
    case GraphOp::kAttention:
      return attend(std::get<AttentionAttributes>(node.attributes), input(0), input(1), input(2));
    case GraphOp::kGlu: {
      const Activation activation = std::get<GluAttributes>(node.attributes).activation;
      Row y(input(0).size());
      for (size_t i = 0; i < y.size(); ++i) y[i] = activated(activation, input(0)[i]) * input(1)[i];
      return y;
    }
    case GraphOp::kAdd: {
      Row y(input(0).size());
      for (size_t i = 0; i < y.size(); ++i) y[i] = input(0)[i] + input(1)[i];
      return y;
    }
    case GraphOp::kHead: {
      const FloatTable& table = graph_.tables[index(node.weight)];
      Row logits(index(table.rows));
      for (size_t n = 0; n < logits.size(); ++n) {
        const Row row = table_row(table, static_cast<int64_t>(n));
        logits[n] = lanes64(
            row.size(), [&](size_t i, float lane) { return std::fma(input(0)[i], row[i], lane); });
      }
      return logits;
    }
  }
  throw std::logic_error("unknown operation");
}

// Sections 7 and 8: absmax quantisation of the row, then exact sums.
PlainModel::Row PlainModel::bit_linear(const TernaryMatrix& matrix, const Row& x) const {
  float absmax = 1e-5f;
  for (const float value : x) absmax = std::max(absmax, std::fabs(value));
  const float factor = 127.0f / absmax;
  std::vector<int64_t> q(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    q[i] = static_cast<int64_t>(std::clamp(std::rint(x[i] * factor), -128.0f, 127.0f));
  const float x_scale = absmax / 127.0f;
  Row y(index(matrix.n));
  for (size_t n = 0; n < y.size(); ++n) {
    int64_t sum = 0;
    for (size_t k = 0; k < x.size(); ++k) sum += q[k] * matrix.trits[n * x.size() + k];
    y[n] = static_cast<float>(sum) * (x_scale * matrix.scales.values[0]);
  }
  return y;
}

// Section 10.
void PlainModel::store(const Row& row, size_t head_dim, Stored& stored) const {
  Row cells = options_.kv_type == KvType::kF16 ? through_f16(row) : row;
  Row scales(row.size() / head_dim, 1.0f);
  for (size_t head = 0; options_.kv_type == KvType::kI8 && head < scales.size(); ++head) {
    const std::span part(cells.data() + head * head_dim, head_dim);
    float absmax = 1e-5f;
    for (const float value : part) absmax = std::max(absmax, std::fabs(value));
    for (float& value : part)
      value = std::clamp(std::rint(value * (127.0f / absmax)), -128.0f, 127.0f);
    scales[head] = absmax / 127.0f;
  }
  stored.cells.push_back(std::move(cells));
  stored.scales.push_back(std::move(scales));
}

// Section 11.
PlainModel::Row PlainModel::attend(const AttentionAttributes& attributes, const Row& q,
                                   const Row& k, const Row& v) {
  Cache& cache = caches_[attributes.cache];
  const size_t d = index(attributes.head_dim);
  store(k, d, cache.keys);
  store(v, d, cache.values);
  const auto& [keys, key_scales] = cache.keys;
  const auto& [values, value_scales] = cache.values;
  const size_t count = keys.size();
  const size_t window = attributes.window > 0 ? index(attributes.window) : count;
  const size_t oldest = count > window ? count - window : 0;
  Row out(q.size());
  for (size_t head = 0; head < index(attributes.q_heads); ++head) {
    const size_t kv_head = head / index(attributes.q_heads / attributes.kv_heads), kv = kv_head * d;
    std::vector<float> scores(count, -std::numeric_limits<float>::infinity());
    for (size_t p = oldest; p < count; ++p) {
      float t = 0;
      for (size_t j = 0; j < d; ++j) t = std::fma(q[head * d + j], keys[p][kv + j], t);
      scores[p] = (t * key_scales[p][kv_head]) * attributes.scale;
    }
    const float m = *std::ranges::max_element(scores);
    float total = 0;
    for (size_t begin = 0; begin < count; begin += 256) {
      float sum = 0;
      Row part(d);
      if (begin + 256 <= oldest) continue;
      for (size_t p = std::max(begin, oldest); p < std::min(begin + 256, count); ++p) {
        const float e = math::softmax_weight(scores[p] - m);
        sum += e;
        const float scaled = e * value_scales[p][kv_head];
        for (size_t j = 0; j < d; ++j) part[j] = std::fma(scaled, values[p][kv + j], part[j]);
      }
      total += sum;
      for (size_t j = 0; j < d; ++j) out[head * d + j] += part[j];
    }
    for (size_t j = 0; j < d; ++j) out[head * d + j] /= total;
  }
  return out;
}

}  // namespace bitnetc::test
