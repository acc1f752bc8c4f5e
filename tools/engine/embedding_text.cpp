#include "tools/engine/embedding_text.h"

#include "runtime/printable.h"

namespace bitnetc {

Result<std::string> embedding_prompt(const std::optional<std::string>& name,
                                     const EncoderDefaults& defaults) {
  const std::string wanted = name.value_or(defaults.default_prompt);
  if (wanted.empty()) return std::string();
  if (const auto found = defaults.prompts.find(wanted); found != defaults.prompts.end())
    return found->second;
  std::string names;
  for (const auto& [each, text] : defaults.prompts)
    names += (names.empty() ? "" : ", ") + printable(each, 60);
  return make_error(StatusCode::kInvalidArgument, "{}: the model has {}", printable(wanted, 60),
                    names.empty() ? "no prompts" : names);
}

Result<TextIds> encode_for_embedding(const Tokenizer& tokenizer, const std::string& text,
                                     int64_t most, bool may_cut) {
  BITNETC_ASSIGN_OR_RETURN(TextIds ids, tokenizer.encode(text));
  if (ids.empty())
    return Status(StatusCode::kInvalidArgument, "has no tokens; the model's tokenizer adds none");
  const auto behind = static_cast<int64_t>(tokenizer.suffix().size());
  if (const auto length = static_cast<int64_t>(ids.size()); length > most) {
    if (!may_cut || most <= behind)
      return make_error(StatusCode::kInvalidArgument,
                        "has {} tokens; expected at most {}, the context of the model "
                        "('truncate' cuts it)",
                        length, most);
    ids.erase(ids.begin() + (most - behind), ids.end() - behind);
  }
  return ids;
}

}  // namespace bitnetc
