#include "frontend/hf/sentence_transformers.h"

#include <limits>

#include "frontend/json/object_reader.h"
#include "frontend/json/strict_json.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

struct PoolingFlag {
  const char* key;
  std::optional<Pooling> pooling;  // none: not implemented
};
// The older spelling: a flag per pooling, of which one is set.
constexpr PoolingFlag kPoolingFlags[] = {
    {"pooling_mode_cls_token", Pooling::kFirst}, {"pooling_mode_mean_tokens", Pooling::kMean},
    {"pooling_mode_lasttoken", Pooling::kLast},  {"pooling_mode_max_tokens", {}},
    {"pooling_mode_mean_sqrt_len_tokens", {}},   {"pooling_mode_weightedmean_tokens", {}}};

Status unsupported_pooling(const ObjectReader& reader, std::string_view name) {
  return reader.error(StatusCode::kUnsupported,
                      "pooling {} is not supported; last, mean and cls tokens are",
                      printable(name, 60));
}

Result<Pooling> read_pooling_flags(ObjectReader& reader) {
  std::optional<Pooling> chosen;
  int set = 0;
  for (const auto& [key, pooling] : kPoolingFlags) {
    BITNETC_ASSIGN_OR_RETURN(const auto value, reader.boolean(key));
    if (!value.value_or(false)) continue;
    if (!pooling) return unsupported_pooling(reader, key);
    chosen = pooling;
    ++set;
  }
  if (set != 1)
    return reader.error(StatusCode::kDataCorrupt,
                        "{} of the flags pooling_mode_* are true, expected one", set);
  return *chosen;
}

}  // namespace

Status check_modules(std::string_view text, const std::string& origin) {
  BITNETC_ASSIGN_OR_RETURN(const Json modules, parse_strict_json(text, origin));
  if (!modules.is_array())
    return make_error(StatusCode::kDataCorrupt, "{}: is {}, expected a list of modules", origin,
                      json_excerpt(modules));
  for (const Json& module : modules) {
    BITNETC_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::open(module, origin));
    BITNETC_ASSIGN_OR_RETURN(const std::string type, reader.required_text("type"));
    const std::string name = type.substr(type.rfind('.') + 1);
    if (name != "Transformer" && name != "Pooling" && name != "Normalize")
      return reader.error(
          StatusCode::kUnsupported,
          "module {} is not supported; a Transformer, a Pooling and a Normalize are",
          printable(type, 100));
  }
  return {};
}

Status check_text_limits(std::string_view text, const std::string& origin, int64_t positions,
                         std::vector<std::string>* notes) {
  BITNETC_ASSIGN_OR_RETURN(const Json document, parse_strict_json(text, origin));
  BITNETC_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::open(document, origin));
  BITNETC_RETURN_IF_ERROR(reader.expect("do_lower_case", false));
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  BITNETC_ASSIGN_OR_RETURN(const auto most, reader.integer("max_seq_length", 1, kMost));
  if (most && *most < positions)
    notes->push_back(fmt::format(
        "{}: max_seq_length = {} is not applied: texts of up to {} tokens are embedded as they are",
        origin, *most, positions));
  return {};
}

Result<Pooling> read_pooling(std::string_view text, const std::string& origin) {
  BITNETC_ASSIGN_OR_RETURN(const Json document, parse_strict_json(text, origin));
  BITNETC_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::open(document, origin));
  BITNETC_RETURN_IF_ERROR(reader.expect("include_prompt", true));
  BITNETC_ASSIGN_OR_RETURN(const auto mode, reader.text("pooling_mode"));
  if (!mode) return read_pooling_flags(reader);
  if (*mode == "lasttoken") return Pooling::kLast;
  if (*mode == "mean") return Pooling::kMean;
  if (*mode == "cls") return Pooling::kFirst;
  return unsupported_pooling(reader, *mode);
}

Status read_prompts(std::string_view text, const std::string& origin, EncoderDefaults* encoder) {
  BITNETC_ASSIGN_OR_RETURN(const Json document, parse_strict_json(text, origin));
  BITNETC_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::open(document, origin));
  if (const Json* prompts = reader.find("prompts")) {
    const auto is_text = [](const Json& prompt) { return prompt.is_string(); };
    if (!prompts->is_object() || !std::all_of(prompts->begin(), prompts->end(), is_text))
      return reader.error(StatusCode::kDataCorrupt, "prompts is {}, expected texts by name",
                          json_excerpt(*prompts));
    encoder->prompts = prompts->get<std::map<std::string, std::string>>();
  }
  BITNETC_ASSIGN_OR_RETURN(const auto name, reader.text("default_prompt_name"));
  encoder->default_prompt = name.value_or("");
  if (name && !encoder->prompts.contains(*name))
    return reader.error(StatusCode::kDataCorrupt,
                        "default_prompt_name is \"{}\", which is not among the prompts",
                        printable(*name, 60));
  return {};
}

std::string modules_json() {
  OrderedJson modules = OrderedJson::array();
  const std::pair<const char*, const char*> kinds[] = {
      {"", "Transformer"}, {"1_Pooling", "Pooling"}, {"2_Normalize", "Normalize"}};
  for (const auto& [path, type] : kinds)
    modules.push_back({{"idx", modules.size()},
                       {"name", std::to_string(modules.size())},
                       {"path", path},
                       {"type", fmt::format("sentence_transformers.models.{}", type)}});
  return modules.dump(2) + "\n";
}

std::string pooling_json(Pooling pooling, int64_t columns) {
  OrderedJson json = {{"word_embedding_dimension", columns}};
  for (const PoolingFlag& flag : kPoolingFlags) json[flag.key] = flag.pooling == pooling;
  json["include_prompt"] = true;
  return json.dump(2) + "\n";
}

std::string prompts_json(const EncoderDefaults& encoder) {
  const OrderedJson name =
      encoder.default_prompt.empty() ? OrderedJson() : OrderedJson(encoder.default_prompt);
  return OrderedJson{{"prompts", encoder.prompts},
                     {"default_prompt_name", name},
                     {"similarity_fn_name", "cosine"}}
             .dump(2) +
         "\n";
}

}  // namespace bitnetc
