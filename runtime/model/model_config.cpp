#include "runtime/model_config.h"

#include <fmt/format.h>

#include <cmath>

namespace bitnetc {
namespace {

using Kind = RopeScaling::Kind;

constexpr Kind kKinds[] = {Kind::kNone, Kind::kLinear, Kind::kLlama3, Kind::kYarn};

}  // namespace

float attention_scale_of(double d) {
  return static_cast<float>(1.0 / std::sqrt(d));
}

float ModelConfig::attention_scale() const {
  return stated_attention_scale.value_or(attention_scale_of(static_cast<double>(head_dim)));
}

std::string_view rope_scaling_name(Kind kind) {
  switch (kind) {
    case Kind::kNone: return "none";
    case Kind::kLinear: return "linear";
    case Kind::kLlama3: return "llama3";
    case Kind::kYarn: return "yarn";
  }
  return "?";
}

std::optional<Kind> parse_rope_scaling(std::string_view name) {
  for (const Kind kind : kKinds)
    if (rope_scaling_name(kind) == name) return kind;
  return std::nullopt;
}

std::string describe(const RopeScaling& scaling) {
  const std::string_view name = rope_scaling_name(scaling.kind);
  switch (scaling.kind) {
    case Kind::kNone: break;
    case Kind::kLinear: return fmt::format("{}, factor {}", name, scaling.factor);
    case Kind::kLlama3:
      return fmt::format("{}, factor {} over {} positions, frequency factors {} and {}", name,
                         scaling.factor, scaling.original_positions, scaling.low_freq_factor,
                         scaling.high_freq_factor);
    case Kind::kYarn:
      return fmt::format("{}, factor {} over {} positions, beta {} and {}{}, amplitude {}", name,
                         scaling.factor, scaling.original_positions, scaling.beta_fast,
                         scaling.beta_slow, scaling.truncate ? "" : " not truncated",
                         scaling.amplitude);
  }
  return std::string(name);
}

std::string_view pooling_name(Pooling pooling) {
  switch (pooling) {
    case Pooling::kLast: return "last";
    case Pooling::kMean: return "mean";
    case Pooling::kFirst: return "first";
  }
  return "?";
}

std::optional<Pooling> parse_pooling(std::string_view name) {
  for (const Pooling pooling : {Pooling::kLast, Pooling::kMean, Pooling::kFirst})
    if (pooling_name(pooling) == name) return pooling;
  return std::nullopt;
}

}  // namespace bitnetc
