#include "frontend/hf/tokenizer_config.h"

#include "frontend/json/object_reader.h"
#include "frontend/json/strict_json.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

using Json = nlohmann::json;

// "<s>", or {"content": "<s>", ...}; an empty text names nothing.
Status read_special_tokens(ObjectReader& reader, SpecialTokens& tokens) {
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    const Json* value = reader.find(name);
    if (value == nullptr) continue;
    const Json* content = value;
    if (value->is_object()) {
      const auto it = value->find("content");
      content = it == value->end() ? nullptr : &*it;
    }
    if (content == nullptr || !content->is_string())
      return reader.error(StatusCode::kDataCorrupt,
                          "{} is {}, expected a text or an object with a text \"content\"", name,
                          json_excerpt(*value));
    if (!content->get_ref<const std::string&>().empty()) tokens[name] = content->get<std::string>();
  }
  return {};
}

// One template, or a list of {"name": ..., "template": ...} of which "default" is taken.
std::string read_template(const Json& value, const std::string& origin,
                          std::vector<std::string>* notes) {
  if (value.is_string()) return value.get<std::string>();
  std::string chosen;
  std::vector<std::string> others;
  bool is_list = value.is_array();
  for (const Json& entry : value) {
    const bool is_named = is_list && entry.is_object() && entry.contains("name") &&
                          entry["name"].is_string() && entry.contains("template") &&
                          entry["template"].is_string();
    if (!is_named) {
      is_list = false;
      break;
    }
    if (entry["name"] == "default") {
      chosen = entry["template"].get<std::string>();
    } else {
      others.push_back(printable(entry["name"].get<std::string>(), 40));
    }
  }
  if (!is_list) {
    notes->push_back(
        fmt::format("{}: chat_template is {}, expected a text or a list of named "
                    "templates: not used",
                    origin, json_excerpt(value)));
    return "";
  }
  if (!others.empty())
    notes->push_back(
        fmt::format("{}: chat_template: of the named templates only \"default\" is "
                    "used, not: {}",
                    origin, fmt::join(others, ", ")));
  return chosen;
}

}  // namespace

Result<TokenizerConfig> read_tokenizer_config(const Json& document, const std::string& origin,
                                              std::vector<std::string>* notes) {
  BITNETC_ASSIGN_OR_RETURN(ObjectReader reader, ObjectReader::open(document, origin));
  TokenizerConfig config;
  BITNETC_RETURN_IF_ERROR(read_special_tokens(reader, config.special_tokens));
  if (const Json* value = reader.find("chat_template"))
    config.chat_template = read_template(*value, origin, notes);
  return config;
}

}  // namespace bitnetc
