// The JSON form of a ModelDescription. Reading trusts nothing: every field is checked for presence, type
// and range, because a description may come from a file that somebody edited.
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/compiled_model.h"

namespace bitnetc {
namespace {

using nlohmann::json;

constexpr StepKind kStepKinds[] = {
    StepKind::kEmbed,     StepKind::kNormQuantize, StepKind::kMatmul, StepKind::kRopeAppend,
    StepKind::kAttention, StepKind::kRmsNorm,      StepKind::kHead,   StepKind::kQuantize};
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

json print_config(const ModelConfig& config) {
  return {{"family", config.family},
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
  config.norm_eps = object.at("norm_eps").get<float>();
  if (config.q_heads % config.kv_heads != 0)
    throw BadField(fmt::format("q_heads = {} is not a multiple of kv_heads = {}", config.q_heads,
                               config.kv_heads));
  if (config.max_positions * config.head_dim >= kMaxCount)
    throw BadField(fmt::format("max_positions * head_dim = {}, expected below {}",
                               config.max_positions * config.head_dim, kMaxCount));
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
  return generation;
}

json print_step(const Step& step) {
  json object = {{"kind", step_kind_name(step.kind)}, {"name", step.name}, {"kernel", step.kernel}};
  if (step.input >= 0) object["input"] = step.input;
  if (step.output >= 0) object["output"] = step.output;
  if (step.residual >= 0) object["residual"] = step.residual;
  if (step.layer >= 0) object["layer"] = step.layer;
  if (!step.weights.empty()) object["weights"] = step.weights;
  if (!step.scales.empty()) object["scales"] = step.scales;
  for (const auto& [m, plan] : step.plans) object["plans"][std::to_string(m)] = plan;
  return object;
}

StepKind parse_step_kind(const std::string& name) {
  for (StepKind kind : kStepKinds)
    if (name == step_kind_name(kind)) return kind;
  throw BadField(fmt::format("kind = '{}' is not a step this bitnetc knows", name));
}

// Which buffers a step of a kind reads and writes.
struct Operands {
  const char* field;
  bool present;
  BufferKind kind;
};

int parse_operand(const json& object, const Operands& operand,
                  const std::vector<BufferInfo>& buffers) {
  if (object.contains(operand.field) != operand.present)
    throw BadField(
        fmt::format("{} {}", operand.field,
                    operand.present ? "is missing" : "is given but has no meaning here"));
  if (!operand.present) return -1;
  const auto index = whole_number<int64_t>(object.at(operand.field));
  if (index < 0 || index >= static_cast<int64_t>(buffers.size()))
    throw BadField(
        fmt::format("{} = {}, expected 0..{}", operand.field, index, buffers.size() - 1));
  if (buffers[static_cast<size_t>(index)].kind != operand.kind)
    throw BadField(fmt::format("{} = {} names the buffer '{}' of the wrong kind", operand.field,
                               index, buffers[static_cast<size_t>(index)].name));
  return static_cast<int>(index);
}

Step parse_step(const json& object, const std::vector<BufferInfo>& buffers,
                const ModelConfig& config) {
  Step step;
  step.kind = parse_step_kind(object.at("kind").get<std::string>());
  step.name = object.at("name").get<std::string>();
  step.kernel = object.at("kernel").get<std::string>();
  step.layer = get_optional<int>(object, "layer").value_or(-1);
  step.weights = object.value("weights", std::string());
  step.scales = object.value("scales", std::string());
  const bool uses_cache = step.kind == StepKind::kRopeAppend || step.kind == StepKind::kAttention;
  if (uses_cache && (step.layer < 0 || step.layer >= config.layers))
    throw BadField(fmt::format("layer = {}, expected 0..{}", step.layer, config.layers - 1));

  const bool is_matmul = step.kind == StepKind::kMatmul;
  const bool is_quantize = step.kind == StepKind::kNormQuantize || step.kind == StepKind::kQuantize;
  step.input = parse_operand(object,
                             {"input", step.kind != StepKind::kEmbed,
                              is_matmul ? BufferKind::kQuantized : BufferKind::kF32},
                             buffers);
  const bool has_output = step.kind != StepKind::kRopeAppend && step.kind != StepKind::kHead;
  step.output = parse_operand(
      object, {"output", has_output, is_quantize ? BufferKind::kQuantized : BufferKind::kF32},
      buffers);
  step.residual = parse_operand(
      object, {"residual", is_matmul && object.contains("residual"), BufferKind::kF32}, buffers);
  if (object.contains("plans")) {
    for (const auto& [m, plan] : object.at("plans").items())
      step.plans.emplace(std::stoi(m), plan.get<std::string>());
  }
  return step;
}

Program parse_program(const json& object, const ModelConfig& config) {
  Program program;
  program.target_isa = object.at("target_isa").get<std::string>();
  for (const json& row : object.at("buffers")) {
    const auto kind = row.at("kind").get<std::string>();
    if (kind != "f32" && kind != "quantized")
      throw BadField(fmt::format("buffer kind = '{}', expected f32 or quantized", kind));
    program.buffers.push_back({.name = row.at("name").get<std::string>(),
                               .kind = kind == "f32" ? BufferKind::kF32 : BufferKind::kQuantized,
                               .columns = get_count(row, "columns")});
  }
  for (const json& row : object.at("steps")) {
    try {
      program.steps.push_back(parse_step(row, program.buffers, config));
    } catch (const std::exception& error) {
      throw BadField(fmt::format("step {} ('{}'): {}", program.steps.size(),
                                 row.is_object() ? row.value("name", "?") : "?", error.what()));
    }
  }
  return program;
}

}  // namespace

const char* step_kind_name(StepKind kind) {
  switch (kind) {
    case StepKind::kEmbed: return "embed";
    case StepKind::kNormQuantize: return "norm_quantize";
    case StepKind::kQuantize: return "quantize";
    case StepKind::kMatmul: return "matmul";
    case StepKind::kRopeAppend: return "rope_append";
    case StepKind::kAttention: return "attention";
    case StepKind::kRmsNorm: return "rms_norm";
    case StepKind::kHead: return "head";
  }
  return "?";
}

std::string print_description(const ModelDescription& description) {
  json object = {{"bitnetc_version", description.bitnetc_version},
                 {"config", print_config(description.config)},
                 {"generation", print_generation(description.generation)},
                 {"chat_template", description.chat_template}};
  object["sources"] = json::array();
  for (const SourceFile& source : description.sources)
    object["sources"].push_back(
        {{"name", source.name}, {"size_bytes", source.size_bytes}, {"xxh3", source.xxh3}});
  json& program = object["program"];
  program["target_isa"] = description.program.target_isa;
  program["buffers"] = json::array();
  for (const BufferInfo& buffer : description.program.buffers)
    program["buffers"].push_back({{"name", buffer.name},
                                  {"kind", buffer.kind == BufferKind::kF32 ? "f32" : "quantized"},
                                  {"columns", buffer.columns}});
  program["steps"] = json::array();
  for (const Step& step : description.program.steps) program["steps"].push_back(print_step(step));
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
    for (const json& row : object.at("sources"))
      description.sources.push_back({.name = row.at("name").get<std::string>(),
                                     .size_bytes = whole_number<uint64_t>(row.at("size_bytes")),
                                     .xxh3 = row.at("xxh3").get<std::string>()});
    description.program = parse_program(object.at("program"), description.config);
    return description;
  } catch (const std::exception& error) {
    return make_error(StatusCode::kDataCorrupt, "{}: description: {}", origin, error.what());
  }
}

}  // namespace bitnetc
