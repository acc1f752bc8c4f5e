#include "tools/serve/api/generation_params.h"

#include <charconv>
#include <limits>

#include "tools/engine/sampling_defaults.h"

namespace bitnetc::serve {
namespace {

constexpr int64_t kMostInt = std::numeric_limits<int>::max();
constexpr double kAnyFinite = std::numeric_limits<double>::max();

// Absent or -1: another one for every request.
uint64_t read_seed(Fields& fields) {
  const Json* value = fields.find("seed");
  if (value == nullptr) return random_seed();
  if (value->is_number_unsigned()) return value->get<uint64_t>();
  const auto seed = fields.integer("seed", std::numeric_limits<int64_t>::min(),
                                   std::numeric_limits<int64_t>::max());
  return !seed || *seed == -1 ? random_seed() : static_cast<uint64_t>(*seed);
}

void read_most_tokens(Fields& fields, std::initializer_list<const char*> names,
                      GenerationParams& params) {
  const char* said_by = nullptr;
  std::optional<int64_t> said;
  for (const char* name : names) {
    const auto most = fields.integer(name, -1, std::numeric_limits<int32_t>::max());
    if (!most) continue;
    if (said && *said != *most)
      fields.fail(bad_request(
          fmt::format("'{}' is {}, but '{}' is {}", fields.path(name), *most, said_by, *said),
          fields.path(name)));
    said = most;
    said_by = name;
  }
  if (said && *said >= 0) params.most_tokens = said;
}

void read_logit_bias(Fields& fields, const ServedModel& model, SamplingParams& sampling) {
  const Json* biases = fields.find("logit_bias");
  if (biases == nullptr) return;
  const auto refuse = [&](const std::string& message) {
    fields.fail(bad_request("'logit_bias': " + message, "logit_bias"));
  };
  if (!biases->is_object() || biases->size() > kMostBiases)
    return refuse(fmt::format("expected an object of at most {} token ids", kMostBiases));
  for (const auto& [key, value] : biases->items()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    const bool is_id = error == std::errc() && end == key.data() + key.size() && id >= 0 &&
                       id < model.config.vocab_size;
    if (!is_id)
      return refuse(fmt::format("'{}' is no id from 0 to {}", key.substr(0, 20),
                                model.config.vocab_size - 1));
    if (!value.is_number() || std::abs(value.get<double>()) > 100)
      return refuse(fmt::format("the bias of {} is no number from -100 to 100", id));
    sampling.logit_bias[id] = value.get<double>();
  }
}

template <typename T, typename V>
void take(T& to, const std::optional<V>& value) {
  if (value) to = static_cast<T>(*value);
}

}  // namespace

void read_generation(Fields& fields, const ServedModel& model,
                     std::initializer_list<const char*> max_tokens_names,
                     GenerationParams& params) {
  SamplingParams& sampling = params.sampling;
  sampling = default_sampling(model.generation);
  read_most_tokens(fields, max_tokens_names, params);
  take(sampling.temperature, fields.number("temperature", 0, kAnyFinite));
  take(sampling.top_k, fields.integer("top_k", -1, kMostInt));
  if (sampling.top_k < 0) sampling.top_k = 0;
  take(sampling.top_p, fields.number("top_p", 0, 1));
  // The smallest set of no probability is the likeliest token.
  if (sampling.top_p == 0) sampling.top_p = std::numeric_limits<double>::min();
  take(sampling.min_p, fields.number("min_p", 0, 1));
  constexpr double kLeastPenalty = std::numeric_limits<double>::min();
  take(sampling.repeat_penalty, fields.number("repeat_penalty", kLeastPenalty, 1e6));
  take(sampling.repeat_penalty, fields.number("repetition_penalty", kLeastPenalty, 1e6));
  take(sampling.repeat_last_n, fields.integer("repeat_last_n", 0, kMostInt));
  take(sampling.presence_penalty, fields.number("presence_penalty", -100, 100));
  take(sampling.frequency_penalty, fields.number("frequency_penalty", -100, 100));
  read_logit_bias(fields, model, sampling);
  sampling.seed = read_seed(fields);
  params.stops = fields.texts("stop", kMostStops, kMostStopBytes);
  take(params.ignore_eos, fields.boolean("ignore_eos"));
}

void read_streaming(Fields& fields, GenerationParams& params) {
  take(params.stream, fields.boolean("stream"));
  const Json* options = fields.find("stream_options");
  if (options == nullptr) return;
  if (!options->is_object())
    return fields.fail(bad_request("'stream_options' is no object", "stream_options"));
  Fields inner(*options, "stream_options.");
  take(params.include_usage, inner.boolean("include_usage"));
  take(params.usage_in_every_chunk, inner.boolean("continuous_usage_stats"));
  if (inner.error()) fields.fail(*inner.error());
  params.usage_in_every_chunk = params.usage_in_every_chunk && params.include_usage;
}

void refuse_other_samplers(Fields& fields) {
  constexpr char kWhy[] = "there is no such sampler here";
  fields.refuse("typical_p", kWhy, 1);
  fields.refuse("mirostat", kWhy, 0);
  fields.refuse("xtc_probability", kWhy, 0);
  fields.refuse("dry_multiplier", kWhy, 0);
  fields.refuse("dynatemp_range", kWhy, 0);
  fields.refuse("samplers", "samplers have one order here");
}

// The last token takes no position: it is not read.
std::optional<ApiError> check_length(int64_t prompt_tokens, std::optional<int64_t> most_tokens,
                                     const ServedModel& model, const char* param) {
  const int64_t behind = std::max<int64_t>(most_tokens.value_or(1), 1) - 1;
  if (prompt_tokens <= model.context_tokens && behind <= model.context_tokens - prompt_tokens)
    return std::nullopt;
  std::string message =
      prompt_tokens > model.context_tokens
          ? fmt::format("the prompt has {} tokens, the context of this model {}", prompt_tokens,
                        model.context_tokens)
          : fmt::format(
                "a prompt of {} tokens and at most {} more do not fit in the context of "
                "{} tokens",
                prompt_tokens, *most_tokens, model.context_tokens);
  return bad_request(std::move(message), param, "context_length_exceeded");
}

}  // namespace bitnetc::serve
