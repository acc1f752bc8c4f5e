// The JSON form of a ModelDescription. Reading trusts nothing: every field is checked for presence,
// type and range, because a description may come from a file that somebody edited.
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/compiled_model.h"
#include "runtime/ordered_json.h"

namespace bitnetc {
namespace {

using nlohmann::json;

constexpr int64_t kMaxCount = int64_t{1} << 31;

template <typename T>
void put(json& object, const char* key, const std::optional<T>& value) {
  if (value) object[key] = *value;
}

// A failure inside the parser; turned into a Status in parse_description only.
struct BadField : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The library would cast any number to any type.
template <typename Integer>
Integer whole_number(const json& value) {
  const bool fits = value.is_number_unsigned()  ? std::in_range<Integer>(value.get<uint64_t>())
                    : value.is_number_integer() ? std::in_range<Integer>(value.get<int64_t>())
                                                : false;
  if (!fits)
    throw BadField(fmt::format("{}, expected a whole number from {} to {}", value.dump(),
                               std::numeric_limits<Integer>::min(),
                               std::numeric_limits<Integer>::max()));
  return value.get<Integer>();
}

template <typename T>
std::optional<T> get_optional(const json& object, const char* key) {
  if (!object.contains(key)) return std::nullopt;
  if constexpr (std::is_integral_v<T>) {
    return whole_number<T>(object.at(key));
  } else {
    return object.at(key).get<T>();
  }
}

int64_t get_count(const json& object, const char* key) {
  const auto value = whole_number<int64_t>(object.at(key));
  if (value < 1 || value >= kMaxCount)
    throw BadField(fmt::format("{} = {}, expected 1..{}", key, value, kMaxCount - 1));
  return value;
}

json print_scaling(const RopeScaling& scaling) {
  json object = {{"kind", rope_scaling_name(scaling.kind)}, {"factor", scaling.factor}};
  if (scaling.kind == RopeScaling::Kind::kLinear) return object;
  object["original_positions"] = scaling.original_positions;
  if (scaling.kind == RopeScaling::Kind::kLlama3) {
    object["low_freq_factor"] = scaling.low_freq_factor;
    object["high_freq_factor"] = scaling.high_freq_factor;
  } else {
    object["beta_fast"] = scaling.beta_fast;
    object["beta_slow"] = scaling.beta_slow;
    object["truncate"] = scaling.truncate;
    object["amplitude"] = scaling.amplitude;
  }
  return object;
}

RopeScaling parse_scaling(const json& object) {
  const auto name = object.at("kind").get<std::string>();
  const auto kind = parse_rope_scaling(name);
  if (!kind || *kind == RopeScaling::Kind::kNone)
    throw BadField(fmt::format("rope_scaling: kind = '{}' is none", name));
  RopeScaling scaling{.kind = *kind, .factor = object.at("factor").get<double>()};
  if (*kind == RopeScaling::Kind::kLinear) return scaling;
  scaling.original_positions = get_count(object, "original_positions");
  if (*kind == RopeScaling::Kind::kLlama3) {
    scaling.low_freq_factor = object.at("low_freq_factor").get<double>();
    scaling.high_freq_factor = object.at("high_freq_factor").get<double>();
  } else {
    scaling.beta_fast = object.at("beta_fast").get<double>();
    scaling.beta_slow = object.at("beta_slow").get<double>();
    scaling.truncate = object.at("truncate").get<bool>();
    scaling.amplitude = object.at("amplitude").get<double>();
  }
  return scaling;
}

json print_layer(const LayerFacts& layer) {
  json object = {{"window", layer.window}, {"rope_theta", layer.rope_theta}};
  if (layer.rope_scaling.kind != RopeScaling::Kind::kNone)
    object["rope_scaling"] = print_scaling(layer.rope_scaling);
  return object;
}

std::vector<LayerFacts> parse_layers(const json& list, int64_t layers) {
  if (!list.is_array() || std::ssize(list) != layers)
    throw BadField(fmt::format("layer_facts lists {} layers, expected {}", list.size(), layers));
  std::vector<LayerFacts> facts;
  for (const json& object : list) {
    LayerFacts& layer = facts.emplace_back();
    if (object.at("window") != 0) layer.window = get_count(object, "window");
    layer.rope_theta = object.at("rope_theta").get<double>();
    if (object.contains("rope_scaling"))
      layer.rope_scaling = parse_scaling(object.at("rope_scaling"));
  }
  return facts;
}

json print_config(const ModelConfig& config) {
  json object = {{"family", config.family},
                 {"vocab_size", config.vocab_size},
                 {"hidden_size", config.hidden_size},
                 {"intermediate_size", config.intermediate_size},
                 {"layers", config.layers},
                 {"q_heads", config.q_heads},
                 {"kv_heads", config.kv_heads},
                 {"head_dim", config.head_dim},
                 {"max_positions", config.max_positions},
                 {"rope_theta", config.rope_theta},
                 {"norm_eps", config.norm_eps}};
  if (config.rope_scaling.kind != RopeScaling::Kind::kNone)
    object["rope_scaling"] = print_scaling(config.rope_scaling);
  for (const LayerFacts& layer : config.layer_facts)
    object["layer_facts"].push_back(print_layer(layer));
  put(object, "attention_scale", config.stated_attention_scale);
  if (config.output == ModelOutput::kHidden) object["output"] = "hidden";
  return object;
}

ModelConfig parse_config(const json& object) {
  ModelConfig config;
  config.family = object.at("family").get<std::string>();
  config.vocab_size = get_count(object, "vocab_size");
  config.hidden_size = get_count(object, "hidden_size");
  config.intermediate_size = get_count(object, "intermediate_size");
  config.layers = get_count(object, "layers");
  config.q_heads = get_count(object, "q_heads");
  config.kv_heads = get_count(object, "kv_heads");
  config.head_dim = get_count(object, "head_dim");
  config.max_positions = get_count(object, "max_positions");
  config.rope_theta = object.at("rope_theta").get<double>();
  if (object.contains("rope_scaling"))
    config.rope_scaling = parse_scaling(object.at("rope_scaling"));
  if (object.contains("layer_facts"))
    config.layer_facts = parse_layers(object.at("layer_facts"), config.layers);
  config.stated_attention_scale = get_optional<float>(object, "attention_scale");
  if (object.contains("output")) {
    if (object.at("output") != "hidden") throw BadField("output, expected \"hidden\" or none");
    config.output = ModelOutput::kHidden;
  }
  config.norm_eps = object.at("norm_eps").get<float>();
  if (config.q_heads % config.kv_heads != 0)
    throw BadField(fmt::format("q_heads = {} is not a multiple of kv_heads = {}", config.q_heads,
                               config.kv_heads));
  return config;
}

json print_generation(const GenerationDefaults& generation) {
  json object = {{"stop_ids", generation.stop_ids}, {"do_sample", generation.do_sample}};
  put(object, "bos_id", generation.bos_id);
  put(object, "temperature", generation.temperature);
  put(object, "top_p", generation.top_p);
  put(object, "min_p", generation.min_p);
  put(object, "repetition_penalty", generation.repetition_penalty);
  put(object, "top_k", generation.top_k);
  if (!generation.suppress_tokens.empty()) object["suppress_tokens"] = generation.suppress_tokens;
  if (!generation.bad_words_ids.empty()) object["bad_words_ids"] = generation.bad_words_ids;
  if (generation.no_repeat_ngram_size > 0)
    object["no_repeat_ngram_size"] = generation.no_repeat_ngram_size;
  if (!generation.unsupported_keys.empty())
    object["unsupported_keys"] = generation.unsupported_keys;
  return object;
}

GenerationDefaults parse_generation(const json& object) {
  GenerationDefaults generation;
  generation.bos_id = get_optional<int32_t>(object, "bos_id");
  for (const json& id : object.at("stop_ids"))
    generation.stop_ids.push_back(whole_number<int32_t>(id));
  generation.do_sample = object.at("do_sample").get<bool>();
  generation.temperature = get_optional<double>(object, "temperature");
  generation.top_p = get_optional<double>(object, "top_p");
  generation.min_p = get_optional<double>(object, "min_p");
  generation.repetition_penalty = get_optional<double>(object, "repetition_penalty");
  generation.top_k = get_optional<int>(object, "top_k");
  if (object.contains("suppress_tokens"))
    for (const json& id : object.at("suppress_tokens"))
      generation.suppress_tokens.push_back(whole_number<int32_t>(id));
  if (object.contains("bad_words_ids")) {
    for (const json& sequence : object.at("bad_words_ids")) {
      auto& ids = generation.bad_words_ids.emplace_back();
      for (const json& id : sequence) ids.push_back(whole_number<int32_t>(id));
    }
  }
  generation.no_repeat_ngram_size = get_optional<int>(object, "no_repeat_ngram_size").value_or(0);
  if (object.contains("unsupported_keys"))
    generation.unsupported_keys = object.at("unsupported_keys").get<std::vector<std::string>>();
  return generation;
}

json print_buffer(const BufferInfo& buffer) {
  json object = {{"name", buffer.name}, {"type", element_type_name(buffer.type)}};
  if (buffer.per_row > 0) object["per_row"] = buffer.per_row;
  if (buffer.per_position > 0) object["per_position"] = buffer.per_position;
  if (buffer.per_worker) object["per_worker"] = true;
  if (buffer.scored) object["scored"] = true;
  return object;
}

BufferInfo parse_buffer(const json& object) {
  BufferInfo buffer{.name = object.at("name").get<std::string>()};
  const auto type = object.at("type").get<std::string>();
  const auto known = parse_element_type(type);
  if (!known) throw BadField(fmt::format("type = '{}' is no element type", type));
  buffer.type = *known;
  if (object.contains("per_row")) buffer.per_row = get_count(object, "per_row");
  if (object.contains("per_position")) buffer.per_position = get_count(object, "per_position");
  buffer.per_worker = object.value("per_worker", false);
  buffer.scored = object.value("scored", false);
  return buffer;
}

json print_operand(const StepOperand& operand) {
  if (!operand.section.empty()) return {{"name", operand.name}, {"section", operand.section}};
  return {{"name", operand.name},
          {"buffer", operand.slice.buffer},
          {"column", operand.slice.column},
          {"columns", operand.slice.columns}};
}

StepOperand parse_operand(const json& object, const std::vector<BufferInfo>& buffers) {
  StepOperand operand{.name = object.at("name").get<std::string>()};
  if (object.contains("section")) {
    operand.section = object.at("section").get<std::string>();
    if (operand.section.empty()) throw BadField("section is empty");
    return operand;
  }
  const auto buffer = whole_number<int64_t>(object.at("buffer"));
  if (!std::in_range<size_t>(buffer) || static_cast<size_t>(buffer) >= buffers.size())
    throw BadField(fmt::format("operand {}: buffer = {}, but there are {}", operand.name, buffer,
                               buffers.size()));
  operand.slice = {.buffer = static_cast<int>(buffer),
                   .column = whole_number<int64_t>(object.at("column")),
                   .columns = get_count(object, "columns")};
  if (operand.slice.column < 0 || operand.slice.column >= kMaxCount)
    throw BadField(fmt::format("operand {}: column = {}, expected 0..{}", operand.name,
                               operand.slice.column, kMaxCount - 1));
  return operand;
}

const char* step_rows_name(StepRows rows) {
  return rows == StepRows::kOne ? "one" : "several";
}

StepRows parse_step_rows(const std::string& name) {
  for (const StepRows rows : {StepRows::kOne, StepRows::kSeveral})
    if (name == step_rows_name(rows)) return rows;
  throw BadField(fmt::format("rows = '{}', expected one or several", name));
}

json print_step(const Step& step) {
  json object = {{"name", step.name}, {"kernel", step.kernel}, {"operands", json::array()}};
  for (const StepOperand& operand : step.operands)
    object["operands"].push_back(print_operand(operand));
  if (step.layer >= 0) object["layer"] = step.layer;
  if (step.scored) object["scored"] = true;
  if (step.rows != StepRows::kAny) object["rows"] = step_rows_name(step.rows);
  if (step.rope_amplitude != 1) object["rope_amplitude"] = step.rope_amplitude;
  for (const StepPart& part : step.parts)
    object["parts"].push_back({{"name", part.name}, {"rows", part.rows}});
  for (const auto& [m, plan] : step.plans) object["plans"][std::to_string(m)] = plan;
  return object;
}

Step parse_step(const json& object, const std::vector<BufferInfo>& buffers) {
  Step step{.name = object.at("name").get<std::string>(),
            .kernel = object.at("kernel").get<std::string>()};
  for (const json& operand : object.at("operands"))
    step.operands.push_back(parse_operand(operand, buffers));
  step.layer = get_optional<int>(object, "layer").value_or(-1);
  step.scored = object.value("scored", false);
  if (object.contains("rows")) step.rows = parse_step_rows(object.at("rows").get<std::string>());
  if (object.contains("rope_amplitude"))
    step.rope_amplitude = object.at("rope_amplitude").get<double>();
  if (object.contains("parts")) {
    for (const json& part : object.at("parts"))
      step.parts.push_back(
          {.name = part.at("name").get<std::string>(), .rows = get_count(part, "rows")});
  }
  if (object.contains("plans")) {
    for (const auto& [m, plan] : object.at("plans").items())
      step.plans.emplace(std::stoi(m), plan.get<std::string>());
  }
  return step;
}

// What `parse` makes of element `index` of an array, with failures saying which.
template <typename Parse>
auto parse_element(const char* what, size_t index, const json& row, const Parse& parse) {
  try {
    return parse(row);
  } catch (const std::exception& error) {
    throw BadField(fmt::format("{} {} ('{}'): {}", what, index,
                               row.is_object() ? row.value("name", "?") : "?",
                               json_error_text(error)));
  }
}

Program parse_program(const json& object) {
  Program program;
  program.target_isa = object.at("target_isa").get<std::string>();
  for (const json& row : object.at("buffers"))
    program.buffers.push_back(parse_element("buffer", program.buffers.size(), row, parse_buffer));
  for (const json& row : object.at("steps"))
    program.steps.push_back(parse_element("step", program.steps.size(), row, [&](const json& step) {
      return parse_step(step, program.buffers);
    }));
  program.screen = object.value("screen", "");
  return program;
}

json print_encoder(const EncoderDefaults& encoder) {
  json object = {{"prompts", encoder.prompts}, {"default_prompt", encoder.default_prompt}};
  if (encoder.pooling) object["pooling"] = pooling_name(*encoder.pooling);
  return object;
}

EncoderDefaults parse_encoder(const json& object) {
  EncoderDefaults encoder{.pooling = {},
                          .prompts = object.at("prompts").get<std::map<std::string, std::string>>(),
                          .default_prompt = object.at("default_prompt").get<std::string>()};
  if (object.contains("pooling")) {
    encoder.pooling = parse_pooling(object.at("pooling").get<std::string>());
    if (!encoder.pooling) throw BadField("pooling, expected \"last\", \"mean\" or \"first\"");
  }
  return encoder;
}

}  // namespace

std::string print_description(const ModelDescription& description) {
  json object = {{"bitnetc_version", description.bitnetc_version},
                 {"config", print_config(description.config)},
                 {"generation", print_generation(description.generation)},
                 {"chat_template", description.chat_template}};
  if (!description.special_tokens.empty()) object["special_tokens"] = description.special_tokens;
  if (description.config.output == ModelOutput::kHidden)
    object["encoder"] = print_encoder(description.encoder);
  object["sources"] = json::array();
  for (const SourceFile& source : description.sources)
    object["sources"].push_back(
        {{"name", source.name}, {"size_bytes", source.size_bytes}, {"xxh3", source.xxh3}});
  json& program = object["program"];
  program["target_isa"] = description.program.target_isa;
  program["buffers"] = json::array();
  for (const BufferInfo& buffer : description.program.buffers)
    program["buffers"].push_back(print_buffer(buffer));
  program["steps"] = json::array();
  for (const Step& step : description.program.steps) program["steps"].push_back(print_step(step));
  if (!description.program.screen.empty()) program["screen"] = description.program.screen;
  return object.dump();
}

Result<ModelDescription> parse_description(const std::string& text, const std::string& origin) {
  try {
    const json object = json::parse(text);
    ModelDescription description;
    description.bitnetc_version = object.at("bitnetc_version").get<std::string>();
    description.config = parse_config(object.at("config"));
    description.generation = parse_generation(object.at("generation"));
    description.chat_template = object.at("chat_template").get<std::string>();
    if (object.contains("special_tokens"))
      description.special_tokens =
          object.at("special_tokens").get<std::map<std::string, std::string>>();
    if (object.contains("encoder")) description.encoder = parse_encoder(object.at("encoder"));
    for (const json& row : object.at("sources"))
      description.sources.push_back({.name = row.at("name").get<std::string>(),
                                     .size_bytes = whole_number<uint64_t>(row.at("size_bytes")),
                                     .xxh3 = row.at("xxh3").get<std::string>()});
    description.program = parse_program(object.at("program"));
    return description;
  } catch (const std::exception& error) {
    return make_error(StatusCode::kDataCorrupt, "{}: description: {}", origin,
                      json_error_text(error));
  }
}

}  // namespace bitnetc
