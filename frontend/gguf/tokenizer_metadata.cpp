#include "frontend/gguf/tokenizer_metadata.h"

#include <algorithm>
#include <map>

#include "frontend/gguf/splitting_rules.h"
#include "frontend/gguf/token_type.h"
#include "frontend/tokenizer.h"
#include "frontend/tokenizer/tokenizer_document.h"

namespace bitnetc {
namespace {

using enum gguf::TokenType;

const JsonValue* find(const JsonValue* object, std::string_view key) {
  return object == nullptr ? nullptr : object->find(key);
}

std::string_view text_at(const JsonValue* object, std::string_view key) {
  const JsonValue* value = find(object, key);
  return value == nullptr ? std::string_view() : std::string_view(value->text);
}

bool flag_at(const JsonValue* object, std::string_view key) {
  const JsonValue* value = find(object, key);
  return value != nullptr && value->boolean;
}

// The steps of a component, whether it is a Sequence or one step.
std::vector<const JsonValue*> steps_of(const JsonValue* component, std::string_view list) {
  std::vector<const JsonValue*> steps;
  if (component == nullptr || component->kind != JsonValue::Kind::kObject) return steps;
  const JsonValue* items = component->find(list);
  if (items == nullptr) return {component};
  for (const JsonValue& item : items->items) steps.push_back(&item);
  return steps;
}

// "<0x1F>"
bool is_byte_token(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
}

class MetadataMaker {
 public:
  MetadataMaker(const Graph& graph, const TokenizerDocument& document, const Tokenizer& tokenizer,
                GgufWriter* writer, std::vector<std::string>* notes)
      : graph_(graph),
        document_(document),
        tokenizer_(tokenizer),
        writer_(*writer),
        notes_(*notes),
        model_(document.root.find("model")) {}

  Status add() {
    BITNETC_RETURN_IF_ERROR(collect_tokens());
    const bool is_byte_level = find_byte_level();
    writer_.add_text("tokenizer.ggml.model", is_byte_level ? "gpt2" : "llama");
    if (is_byte_level) {
      add_rule();
    } else {
      writer_.add_text("tokenizer.ggml.pre", kDefaultRule);
    }
    writer_.add_texts("tokenizer.ggml.tokens", tokens_);
    writer_.add_i32s("tokenizer.ggml.token_type", types_);
    if (is_byte_level) {
      add_merges();
    } else {
      add_scores();
    }
    add_ids();
    BITNETC_RETURN_IF_ERROR(add_frame());
    if (!graph_.chat_template.empty())
      writer_.add_text("tokenizer.chat_template", graph_.chat_template);
    writer_.add_text("tokenizer.huggingface.json", graph_.tokenizer_json);
    return {};
  }

 private:
  // Every row of the embedding has a token.
  Status collect_tokens() {
    const int64_t vocab_size = graph_.config.vocab_size;
    if (tokenizer_.vocab_size() > vocab_size)
      return make_error(StatusCode::kUnsupported,
                        "the tokenizer has ids up to {}, but vocab_size is {}: a GGUF file has a "
                        "token for every row of the embedding and no more",
                        tokenizer_.vocab_size() - 1, vocab_size);
    const bool has_bytes = flag_at(model_, "byte_fallback");
    const std::string_view unknown = text_at(model_, "unk_token");
    for (int32_t id = 0; id < vocab_size; ++id) {
      auto text = tokenizer_.token_text(id);
      int32_t type = kNormal;
      if (!text) {
        text = fmt::format("[PAD{}]", id);
        while (tokenizer_.token_id(*text)) *text += '_';
        type = kUnused;
      } else if (!unknown.empty() && *text == unknown) {
        type = kUnknown;
      } else if (tokenizer_.is_special(id)) {
        type = kControl;
      } else if (has_bytes && is_byte_token(*text)) {
        type = kByte;
      }
      tokens_.push_back(*std::move(text));
      types_.push_back(type);
    }
    const JsonValue* added_tokens = document_.root.find("added_tokens");
    if (added_tokens == nullptr) return {};
    for (const JsonValue& added : added_tokens->items) {
      const JsonValue* id = added.find("id");
      if (id != nullptr && !flag_at(&added, "special"))
        types_[static_cast<size_t>(id->integer)] = kUserDefined;
    }
    return {};
  }

  bool find_byte_level() {
    for (const JsonValue* step : steps_of(document_.root.find("pre_tokenizer"), "pretokenizers")) {
      const std::string_view type = text_at(step, "type");
      if (type == "ByteLevel") {
        // Without a word it splits as GPT-2 does.
        const JsonValue* use_regex = step->find("use_regex");
        if (use_regex == nullptr || use_regex->boolean)
          regexes_.emplace_back(find_splitting_rule("gpt-2")->regexes[0]);
        is_plain_ = is_plain_ && !flag_at(step, "add_prefix_space");
        return true;
      }
      const std::string_view regex = text_at(step->find("pattern"), "Regex");
      is_plain_ = is_plain_ && type == "Split" && !regex.empty() &&
                  text_at(step, "behavior") == "Isolated" && !flag_at(step, "invert");
      regexes_.emplace_back(regex);
    }
    return false;
  }

  void add_rule() {
    const SplittingRule* rule =
        is_plain_ ? rule_with(regexes_, flag_at(model_, "ignore_merges")) : nullptr;
    if (rule == nullptr)
      notes_.push_back(
          "the way the tokenizer splits text has no name among the values of tokenizer.ggml.pre: "
          "\"default\" is written; bitnetc reads tokenizer.huggingface.json, other programs will "
          "split text otherwise");
    writer_.add_text("tokenizer.ggml.pre", rule == nullptr ? kDefaultRule : rule->name);
  }

  void add_merges() {
    std::vector<std::string> merges;
    merges.reserve(document_.merges.size());
    for (size_t rank = 0; rank < document_.merges.size(); ++rank) {
      const MergeList::Pair pair = document_.merges[rank];
      merges.push_back(fmt::format("{} {}", pair.left, pair.right));
    }
    writer_.add_texts("tokenizer.ggml.merges", merges);
  }

  // The token that is made first has the highest score, one that no merge makes the lowest.
  void add_scores() {
    std::vector<float> scores(tokens_.size(), -static_cast<float>(document_.merges.size()));
    std::vector<bool> has_score(tokens_.size());
    for (size_t rank = 0; rank < document_.merges.size(); ++rank) {
      const MergeList::Pair pair = document_.merges[rank];
      const auto id = tokenizer_.token_id(fmt::format("{}{}", pair.left, pair.right));
      if (!id || has_score[static_cast<size_t>(*id)]) continue;
      has_score[static_cast<size_t>(*id)] = true;
      scores[static_cast<size_t>(*id)] = -static_cast<float>(rank);
    }
    writer_.add_f32s("tokenizer.ggml.scores", scores);
    bool prepends = false;
    for (const JsonValue* step : steps_of(document_.root.find("normalizer"), "normalizers"))
      prepends = prepends || text_at(step, "type") == "Prepend";
    writer_.add_bool("tokenizer.ggml.add_space_prefix", prepends);
  }

  void add_ids() {
    const GenerationDefaults& generation = graph_.generation;
    const auto add = [&](const char* name, int32_t id) {
      writer_.add_u32(fmt::format("tokenizer.ggml.{}_token_id", name), static_cast<uint32_t>(id));
    };
    if (generation.bos_id) add("bos", *generation.bos_id);
    constexpr const char* kEnds[] = {"eos", "eot", "eom"};
    for (size_t i = 0; i < std::min(std::size(kEnds), generation.stop_ids.size()); ++i)
      add(kEnds[i], generation.stop_ids[i]);
    if (generation.stop_ids.size() > std::size(kEnds))
      notes_.push_back(
          fmt::format("a GGUF file names three tokens that end a text: {} of {} are "
                      "left out",
                      generation.stop_ids.size() - std::size(kEnds), generation.stop_ids.size()));
  }

  // What the tokenizer puts around a text, seen on a short one.
  Status add_frame() {
    const std::string probe = "a";
    BITNETC_ASSIGN_OR_RETURN(const auto framed, tokenizer_.encode(probe, true));
    BITNETC_ASSIGN_OR_RETURN(const auto plain, tokenizer_.encode(probe, false));
    const auto begin = std::ranges::search(framed, plain).begin();
    const auto before = begin - framed.begin();
    const auto behind = std::ssize(framed) - before - std::ssize(plain);
    const GenerationDefaults& generation = graph_.generation;
    const bool adds_bos = before == 1 && generation.bos_id && framed.front() == *generation.bos_id;
    const bool adds_eos =
        behind == 1 && !generation.stop_ids.empty() && framed.back() == generation.stop_ids.front();
    if (before != (adds_bos ? 1 : 0) || behind != (adds_eos ? 1 : 0))
      notes_.push_back(
          "the tokens that the tokenizer sets around a text are not those of bos_token_id and "
          "eos_token_id: other programs will leave them out");
    writer_.add_bool("tokenizer.ggml.add_bos_token", adds_bos);
    writer_.add_bool("tokenizer.ggml.add_eos_token", adds_eos);
    return {};
  }

  const Graph& graph_;
  const TokenizerDocument& document_;
  const Tokenizer& tokenizer_;
  GgufWriter& writer_;
  std::vector<std::string>& notes_;
  const JsonValue* model_;
  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
  std::vector<std::string> regexes_;
  bool is_plain_ = true;  // every step is one that a splitting rule has
};

}  // namespace

Status add_tokenizer_metadata(const Graph& graph, GgufWriter* writer,
                              std::vector<std::string>* notes) {
  if (is_sentence_piece_model(graph.tokenizer_json))
    return Status(
        StatusCode::kUnsupported,
        "the model's tokenizer is a SentencePiece tokenizer.model, which cannot be written "
        "as a GGUF file; expected a tokenizer.json");
  BITNETC_ASSIGN_OR_RETURN(const auto tokenizer,
                           Tokenizer::from_json(graph.tokenizer_json, "the model's tokenizer"));
  BITNETC_ASSIGN_OR_RETURN(const TokenizerDocument document,
                           parse_tokenizer_document(graph.tokenizer_json));
  return MetadataMaker(graph, document, *tokenizer, writer, notes).add();
}

}  // namespace bitnetc
