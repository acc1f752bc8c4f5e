#include "frontend/hf/hf_rope.h"

#include <limits>

#include "frontend/families/family.h"
#include "frontend/json/strict_json.h"
#include "runtime/math.h"

namespace bitnetc {
namespace {

using Kind = RopeScaling::Kind;

constexpr NumberRange kAtLeastOne{1, kFloatMax, "a number, at least 1"};

// The value under either key; kDataCorrupt where both have one and they differ.
Result<std::optional<std::string>> read_type(ObjectReader* rope) {
  BITNETC_ASSIGN_OR_RETURN(auto type, rope->text("rope_type"));
  BITNETC_ASSIGN_OR_RETURN(const auto older, rope->text("type"));
  if (type && older && *type != *older)
    return rope->error(StatusCode::kDataCorrupt, "type = \"{}\" contradicts rope_type = \"{}\"",
                       *older, *type);
  return type ? type : older;
}

Status read_llama3(ObjectReader* rope, RopeScaling* scaling) {
  BITNETC_ASSIGN_OR_RETURN(scaling->factor, rope->required_number("factor", kAtLeastOne));
  BITNETC_ASSIGN_OR_RETURN(scaling->low_freq_factor,
                           rope->required_number("low_freq_factor", kPositive));
  BITNETC_ASSIGN_OR_RETURN(scaling->high_freq_factor,
                           rope->required_number("high_freq_factor", kPositive));
  if (scaling->high_freq_factor <= scaling->low_freq_factor)
    return rope->error(StatusCode::kDataCorrupt,
                       "high_freq_factor = {} is not above low_freq_factor = {}",
                       scaling->high_freq_factor, scaling->low_freq_factor);
  BITNETC_ASSIGN_OR_RETURN(
      scaling->original_positions,
      rope->required_integer("original_max_position_embeddings", 1, kMaxPositions));
  return {};
}

Result<double> read_amplitude(ObjectReader* rope, double factor) {
  BITNETC_ASSIGN_OR_RETURN(const auto stated, rope->number("attention_factor", kPositive));
  BITNETC_ASSIGN_OR_RETURN(const auto mscale, rope->number("mscale", kPositive));
  BITNETC_ASSIGN_OR_RETURN(const auto all_dim, rope->number("mscale_all_dim", kPositive));
  if (stated) return *stated;
  if (mscale && all_dim)
    return math::yarn_amplitude(factor, *mscale) / math::yarn_amplitude(factor, *all_dim);
  return math::yarn_amplitude(factor);
}

Status read_yarn(ObjectReader* rope, int64_t max_positions, RopeScaling* scaling) {
  BITNETC_ASSIGN_OR_RETURN(const auto original,
                           rope->integer("original_max_position_embeddings", 1, kMaxPositions));
  scaling->original_positions = original.value_or(max_positions);
  BITNETC_ASSIGN_OR_RETURN(const auto factor, rope->number("factor", kAtLeastOne));
  if (!factor && (!original || *original > max_positions))
    return rope->error(StatusCode::kDataCorrupt,
                       "factor is missing, and original_max_position_embeddings does not say it "
                       "either");
  scaling->factor = factor.value_or(static_cast<double>(max_positions) /
                                    static_cast<double>(scaling->original_positions));
  BITNETC_ASSIGN_OR_RETURN(const auto fast, rope->number("beta_fast", kPositive));
  BITNETC_ASSIGN_OR_RETURN(const auto slow, rope->number("beta_slow", kPositive));
  scaling->beta_fast = fast.value_or(32);
  scaling->beta_slow = slow.value_or(1);
  if (scaling->beta_fast < scaling->beta_slow)
    return rope->error(StatusCode::kDataCorrupt, "beta_fast = {} is below beta_slow = {}",
                       scaling->beta_fast, scaling->beta_slow);
  BITNETC_ASSIGN_OR_RETURN(const auto truncate, rope->boolean("truncate"));
  scaling->truncate = truncate.value_or(true);
  BITNETC_ASSIGN_OR_RETURN(scaling->amplitude, read_amplitude(rope, scaling->factor));
  return {};
}

// Nothing: the object does not speak of scaling.
Result<std::optional<RopeScaling>> read_scaling(ObjectReader* rope, int64_t max_positions) {
  BITNETC_RETURN_IF_ERROR(rope->expect("partial_rotary_factor", 1));
  BITNETC_ASSIGN_OR_RETURN(const auto type, read_type(rope));
  RopeScaling scaling;
  if (!type || *type == "default") {
    for (const char* key : {"factor", "attention_factor"})
      BITNETC_RETURN_IF_ERROR(rope->expect(key, 1));
    return type ? std::optional(scaling) : std::nullopt;
  }
  const std::optional<Kind> kind = parse_rope_scaling(*type);
  if (!kind)
    return rope->error(StatusCode::kUnsupported,
                       "rope_type = \"{}\" is not supported, only \"default\", \"linear\", "
                       "\"llama3\" and \"yarn\" are",
                       *type);
  scaling.kind = *kind;
  switch (*kind) {
    case Kind::kNone: break;
    case Kind::kLinear: {
      BITNETC_ASSIGN_OR_RETURN(scaling.factor, rope->required_number("factor", kAtLeastOne));
      break;
    }
    case Kind::kLlama3: BITNETC_RETURN_IF_ERROR(read_llama3(rope, &scaling)); break;
    case Kind::kYarn: BITNETC_RETURN_IF_ERROR(read_yarn(rope, max_positions, &scaling)); break;
  }
  return std::optional(scaling);
}

// The object of layers that see a window, in newer files of models with two kinds of layers.
Status read_window_rope(ObjectReader* rope, int64_t max_positions, HfRope* window,
                        std::vector<std::string>* ignored) {
  BITNETC_ASSIGN_OR_RETURN(auto sliding, rope->object("sliding_attention"));
  if (!sliding) return {};
  BITNETC_ASSIGN_OR_RETURN(const auto theta, sliding->number("rope_theta", kPositive));
  if (theta) window->theta = *theta;
  BITNETC_ASSIGN_OR_RETURN(const auto scaling, read_scaling(&*sliding, max_positions));
  window->scaling = scaling.value_or(RopeScaling());
  sliding->report_rest({}, "", ignored);
  return {};
}

// The object under `key`, or inside it the one for layers that see every position.
Result<std::optional<ObjectReader>> rope_object(ObjectReader* config, const char* key,
                                                int64_t max_positions, HfRope* window,
                                                std::vector<std::string>* ignored) {
  BITNETC_ASSIGN_OR_RETURN(auto rope, config->object(key));
  if (!rope) return rope;
  BITNETC_ASSIGN_OR_RETURN(auto full, rope->object("full_attention"));
  if (!full) return rope;
  if (window != nullptr)
    BITNETC_RETURN_IF_ERROR(read_window_rope(&*rope, max_positions, window, ignored));
  constexpr std::string_view kOther[] = {"sliding_attention"};
  rope->report_rest(kOther, "no layer is of this kind", ignored);
  return full;
}

}  // namespace

Result<HfRope> read_hf_rope(ObjectReader* config, int64_t max_positions,
                            const RopeDefaults& defaults, HfRope* window,
                            std::vector<std::string>* ignored) {
  if (window != nullptr) {
    BITNETC_ASSIGN_OR_RETURN(const auto local, config->number("rope_local_base_freq", kPositive));
    window->theta = local.value_or(defaults.window_theta);
  }
  BITNETC_ASSIGN_OR_RETURN(auto theta, config->number("rope_theta", kPositive));
  std::optional<RopeScaling> scaling;
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    BITNETC_ASSIGN_OR_RETURN(auto rope, rope_object(config, key, max_positions, window, ignored));
    if (!rope) continue;
    BITNETC_ASSIGN_OR_RETURN(const auto inner, rope->number("rope_theta", kPositive));
    if (theta && inner && *theta != *inner)
      return rope->error(StatusCode::kDataCorrupt,
                         "rope_theta = {} contradicts the other rope_theta = {}", *inner, *theta);
    if (inner) theta = inner;
    BITNETC_ASSIGN_OR_RETURN(const auto found, read_scaling(&*rope, max_positions));
    if (found && scaling && *found != *scaling)
      return rope->error(StatusCode::kDataCorrupt, "contradicts rope_scaling");
    if (found) scaling = found;
    rope->report_rest({}, "", ignored);
  }
  if (!theta && defaults.theta > 0) theta = defaults.theta;
  if (!theta) return config->error(StatusCode::kDataCorrupt, "rope_theta is missing");
  if (scaling && scaling->kind == Kind::kYarn && *theta <= 1)
    return config->error(StatusCode::kDataCorrupt, "rope_theta = {} with yarn, expected above 1",
                         *theta);
  return HfRope{.theta = *theta, .scaling = scaling.value_or(RopeScaling())};
}

}  // namespace bitnetc
