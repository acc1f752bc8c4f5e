#include "frontend/gguf/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "frontend/families/family.h"
#include "frontend/gguf/tensor_types/read_tensor.h"
#include "runtime/math.h"

namespace bitnetc {
namespace {

using Kind = RopeScaling::Kind;

// What a file means that says nothing.
constexpr double kDefaultRopeTheta = 10000, kDefaultWindowTheta = 10000;
constexpr double kDefaultBetaFast = 32, kDefaultBetaSlow = 1;

// ---- the factors of llama3

std::vector<float> llama3_factors(const ModelConfig& config, const RopeScaling& scaling) {
  const auto plain = math::rope_frequencies(config.head_dim, config.rope_theta);
  const auto scaled = math::rope_frequencies(config.head_dim, config.rope_theta, scaling);
  std::vector<float> factors;
  for (size_t i = 0; i < plain.size(); ++i)
    factors.push_back(static_cast<float>(plain[i] / scaled[i]));
  return factors;
}

// Writers compute in single precision.
bool are_near(std::span<const float> a, std::span<const float> b) {
  constexpr float kRelative = 1e-5f;
  return std::ranges::equal(
      a, b, [](float x, float y) { return std::fabs(x - y) <= kRelative * std::fabs(y); });
}

// The scaling with these factors: all published ones mix between 1 and 4 waves in a context of
// training that is a power of two. Nothing for other factors, or for more than any model has, which
// would take long to try.
std::optional<RopeScaling> llama3_scaling(std::span<const float> factors,
                                          const ModelConfig& config) {
  constexpr size_t kMostFactors = 4096;
  if (std::ranges::all_of(factors, [](float factor) { return factor == 1; })) return RopeScaling();
  if (factors.size() > kMostFactors) return std::nullopt;
  constexpr int64_t kPublished = 8192, kLeast = 128, kMost = int64_t{1} << 20;
  RopeScaling scaling{.kind = Kind::kLlama3,
                      .factor = double{factors.back()},
                      .original_positions = kPublished,
                      .low_freq_factor = 1,
                      .high_freq_factor = 4};
  if (!(scaling.factor > 1)) return std::nullopt;
  if (are_near(factors, llama3_factors(config, scaling))) return scaling;
  for (int64_t positions = kLeast; positions <= kMost; positions *= 2) {
    scaling.original_positions = positions;
    if (are_near(factors, llama3_factors(config, scaling))) return scaling;
  }
  return std::nullopt;
}

// ---- reading

class RopeReader {
 public:
  RopeReader(const GgufModel& model, const GgufArchitecture& architecture, MetadataReader* reader,
             ModelConfig* config)
      : model_(model), architecture_(architecture), reader_(*reader), config_(*config) {}

  Status read() {
    BITNETC_ASSIGN_OR_RETURN(const auto theta,
                             reader_.number(key("rope.freq_base"), kFloatMin, kFloatMax));
    config_.rope_theta = theta.value_or(kDefaultRopeTheta);
    BITNETC_RETURN_IF_ERROR(
        reader_.expect_number(key("rope.dimension_count"), static_cast<double>(config_.head_dim)));
    BITNETC_RETURN_IF_ERROR(read_scaling());
    BITNETC_RETURN_IF_ERROR(read_factors());
    return read_windows();
  }

 private:
  std::string key(std::string_view name) const {
    return fmt::format("{}.{}", architecture_.name, name);
  }

  // Linear scaling is what a factor without a type means. By 1 it is none.
  Status read_scaling() {
    const std::string type_key = key("rope.scaling.type"), factor_key = key("rope.scaling.factor");
    BITNETC_RETURN_IF_ERROR(reader_.expect_text(type_key, {"none", "linear", "yarn"}));
    BITNETC_ASSIGN_OR_RETURN(const auto type, reader_.text(type_key));
    BITNETC_ASSIGN_OR_RETURN(const auto factor, reader_.number(factor_key, 1, kFloatMax));
    BITNETC_RETURN_IF_ERROR(reader_.expect_number(key("rope.scale_linear"), 1));
    reader_.find(key("rope.scaling.finetuned"));
    if (type == "yarn") {
      if (factor) return read_yarn(*factor);
      return reader_.error(StatusCode::kDataCorrupt, "{} is missing, which {} = \"yarn\" needs",
                           factor_key, type_key);
    }
    BITNETC_RETURN_IF_ERROR(reader_.expect_number(key("rope.scaling.attn_factor"), 1));
    for (const char* name : {"original_context_length", "yarn_beta_fast", "yarn_beta_slow",
                             "yarn_ext_factor", "yarn_attn_factor", "yarn_log_multiplier"})
      reader_.find(key(fmt::format("rope.scaling.{}", name)));  // of yarn alone
    if (factor.value_or(1) == 1) return {};
    if (type == "none")
      return reader_.error(StatusCode::kDataCorrupt, "{} = \"none\" contradicts {} = {}", type_key,
                           factor_key, *factor);
    config_.rope_scaling = {.kind = Kind::kLinear, .factor = *factor};
    return {};
  }

  Status read_yarn(double factor) {
    const std::pair<const char*, double> fixed[] = {{"rope.scaling.yarn_ext_factor", 1},
                                                    {"rope.scaling.yarn_attn_factor", 1},
                                                    {"rope.scaling.yarn_log_multiplier", 0}};
    for (const auto& [name, only] : fixed)
      BITNETC_RETURN_IF_ERROR(reader_.expect_number(key(name), only));
    const std::string fast_key = key("rope.scaling.yarn_beta_fast");
    const std::string slow_key = key("rope.scaling.yarn_beta_slow");
    BITNETC_ASSIGN_OR_RETURN(
        const auto original,
        reader_.integer(key("rope.scaling.original_context_length"), 1, kMaxPositions));
    BITNETC_ASSIGN_OR_RETURN(const auto fast, reader_.number(fast_key, kFloatMin, kFloatMax));
    BITNETC_ASSIGN_OR_RETURN(const auto slow, reader_.number(slow_key, kFloatMin, kFloatMax));
    BITNETC_ASSIGN_OR_RETURN(const auto attention,
                             reader_.number(key("rope.scaling.attn_factor"), kFloatMin, kFloatMax));
    config_.rope_scaling = {.kind = Kind::kYarn,
                            .factor = factor,
                            .original_positions = original.value_or(config_.max_positions),
                            .beta_fast = fast.value_or(kDefaultBetaFast),
                            .beta_slow = slow.value_or(kDefaultBetaSlow),
                            .amplitude = attention.value_or(1) * math::yarn_amplitude(factor)};
    const RopeScaling& scaling = config_.rope_scaling;
    if (scaling.beta_fast < scaling.beta_slow)
      return reader_.error(StatusCode::kDataCorrupt, "{} = {} is below {} = {}", fast_key,
                           scaling.beta_fast, slow_key, scaling.beta_slow);
    if (config_.rope_theta <= 1)
      return reader_.error(StatusCode::kDataCorrupt, "{} = {} with yarn, expected above 1",
                           key("rope.freq_base"), config_.rope_theta);
    return {};
  }

  Status read_factors() {
    const GgufTensor* tensor = model_.find(kGgufRopeFactors);
    if (tensor == nullptr) return {};
    if (tensor->elements != config_.head_dim / 2)
      return make_error(StatusCode::kDataCorrupt, "{}: extents are {}, expected {} elements",
                        tensor->label(), extents_text(tensor->extents), config_.head_dim / 2);
    BITNETC_ASSIGN_OR_RETURN(const gguf::TypedTensor stored, gguf::identify(*tensor));
    BITNETC_ASSIGN_OR_RETURN(const std::vector<float> factors, gguf::read_vector(stored));
    const auto scaling = llama3_scaling(factors, config_);
    if (!scaling)
      return make_error(StatusCode::kUnsupported,
                        "{}: its factors, {} to {}, are not those of llama3 scaling between 1 and "
                        "4 waves in a power of two of positions; other kinds are not supported",
                        tensor->label(), factors.front(), factors.back());
    if (scaling->kind == Kind::kNone) return {};
    if (config_.rope_scaling.kind != Kind::kNone)
      return make_error(StatusCode::kUnsupported, "{}: scales RoPE besides {} = {}",
                        tensor->label(), key("rope.scaling.type"), describe(config_.rope_scaling));
    config_.rope_scaling = *scaling;
    return {};
  }

  Status read_windows() {
    const std::string window_key = key("attention.sliding_window");
    if (architecture_.window_period == 0) return reader_.expect_number(window_key, 0);
    BITNETC_ASSIGN_OR_RETURN(const auto window, reader_.integer(window_key, 0, kMaxPositions));
    BITNETC_ASSIGN_OR_RETURN(
        const auto stated, reader_.integer(key("attention.sliding_window_pattern"), 0, kMaxLayers));
    BITNETC_ASSIGN_OR_RETURN(const auto theta,
                             reader_.number(key("rope.freq_base_swa"), kFloatMin, kFloatMax));
    const int64_t period = stated.value_or(architecture_.window_period);
    if (window.value_or(0) == 0 || period == 1) return {};
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      const bool sees_all = period > 0 && layer % period == period - 1;
      config_.layer_facts.push_back(
          sees_all
              ? config_.usual_layer()
              : LayerFacts{.window = *window, .rope_theta = theta.value_or(kDefaultWindowTheta)});
    }
    return {};
  }

  const GgufModel& model_;
  const GgufArchitecture& architecture_;
  MetadataReader& reader_;
  ModelConfig& config_;
};

// ---- writing

class RopeWriter {
 public:
  RopeWriter(const GgufArchitecture& architecture, const ModelConfig& config, GgufWriter* writer)
      : architecture_(architecture), config_(config), writer_(*writer) {}

  Result<std::vector<float>> add() {
    BITNETC_RETURN_IF_ERROR(add_number("rope.freq_base", config_.rope_theta));
    BITNETC_RETURN_IF_ERROR(add_windows());
    const RopeScaling& scaling = config_.rope_scaling;
    std::vector<float> factors;
    switch (scaling.kind) {
      case Kind::kNone: break;
      case Kind::kLinear:
        writer_.add_text(key("rope.scaling.type"), "linear");
        BITNETC_RETURN_IF_ERROR(add_number("rope.scaling.factor", scaling.factor));
        break;
      case Kind::kYarn: BITNETC_RETURN_IF_ERROR(add_yarn()); break;
      case Kind::kLlama3:
        factors = llama3_factors(config_, scaling);
        if (llama3_scaling(factors, config_) != scaling)
          return cannot_say(
              "a GGUF file holds what it does to each frequency, and of llama3 scaling only that "
              "between 1 and 4 waves in a power of two of positions, by an fp32 number, is read "
              "back");
        break;
    }
    return factors;
  }

 private:
  std::string key(std::string_view name) const {
    return fmt::format("{}.{}", architecture_.name, name);
  }

  Status cannot_say(std::string_view why) const {
    return make_error(StatusCode::kUnsupported,
                      "RoPE scaling ({}) cannot be written as a GGUF file: {}",
                      describe(config_.rope_scaling), why);
  }

  Status add_number(std::string_view name, double value) {
    const auto stored = static_cast<float>(value);
    if (double{stored} != value)
      return make_error(StatusCode::kUnsupported,
                        "{} = {} is not an fp32 number, which a GGUF file holds", key(name), value);
    writer_.add_f32(key(name), stored);
    return {};
  }

  Status add_yarn() {
    const RopeScaling& scaling = config_.rope_scaling;
    if (!scaling.truncate)
      return cannot_say("there the edges of the ramp are whole numbers (truncate)");
    writer_.add_text(key("rope.scaling.type"), "yarn");
    BITNETC_RETURN_IF_ERROR(add_number("rope.scaling.factor", scaling.factor));
    writer_.add_u32(key("rope.scaling.original_context_length"),
                    static_cast<uint32_t>(scaling.original_positions));
    if (scaling.beta_fast != kDefaultBetaFast)
      BITNETC_RETURN_IF_ERROR(add_number("rope.scaling.yarn_beta_fast", scaling.beta_fast));
    if (scaling.beta_slow != kDefaultBetaSlow)
      BITNETC_RETURN_IF_ERROR(add_number("rope.scaling.yarn_beta_slow", scaling.beta_slow));
    const double published = math::yarn_amplitude(scaling.factor);
    if (scaling.amplitude == published) return {};
    const auto attention = static_cast<float>(scaling.amplitude / published);
    if (double{attention} * published != scaling.amplitude)
      return cannot_say(
          "there the amplitude is an fp32 number (rope.scaling.attn_factor) times 0.1 ln(factor) + "
          "1");
    writer_.add_f32(key("rope.scaling.attn_factor"), attention);
    return {};
  }

  // The least period that says which layers see a window; nothing where there is none.
  std::optional<int64_t> window_period() const {
    const auto& layers = config_.layer_facts;
    for (int64_t period = 2; period <= std::ssize(layers) + 1; ++period) {
      const auto fits = [&](const LayerFacts& layer) {
        const bool sees_all = (&layer - layers.data()) % period == period - 1;
        return sees_all == (layer.window == 0);
      };
      if (std::ranges::all_of(layers, fits)) return period;
    }
    return std::nullopt;
  }

  Status add_windows() {
    const auto& layers = config_.layer_facts;
    const auto windowed = std::ranges::find_if(layers, [](const auto& l) { return l.window > 0; });
    if (windowed == layers.end()) return {};
    const LayerFacts full = config_.usual_layer();
    const bool are_two_kinds = std::ranges::all_of(
        layers, [&](const LayerFacts& layer) { return layer == *windowed || layer == full; });
    const auto period = window_period();
    if (architecture_.window_period == 0 || !are_two_kinds || !period ||
        windowed->rope_scaling.kind != Kind::kNone)
      return make_error(StatusCode::kUnsupported,
                        "layers that see a window of {} positions cannot be written as a GGUF file "
                        "of architecture \"{}\": there all but the last of every so many layers "
                        "see it, and their RoPE is not scaled",
                        windowed->window, architecture_.name);
    writer_.add_u32(key("attention.sliding_window"), static_cast<uint32_t>(windowed->window));
    writer_.add_u32(key("attention.sliding_window_pattern"), static_cast<uint32_t>(*period));
    return add_number("rope.freq_base_swa", windowed->rope_theta);
  }

  const GgufArchitecture& architecture_;
  const ModelConfig& config_;
  GgufWriter& writer_;
};

}  // namespace

Status read_gguf_rope(const GgufModel& model, const GgufArchitecture& architecture,
                      MetadataReader* reader, ModelConfig* config) {
  return RopeReader(model, architecture, reader, config).read();
}

Result<std::vector<float>> add_gguf_rope(const GgufArchitecture& architecture,
                                         const ModelConfig& config, GgufWriter* writer) {
  return RopeWriter(architecture, config, writer).add();
}

}  // namespace bitnetc
