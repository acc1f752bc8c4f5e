#include "frontend/tokenizer/components.h"

#include <algorithm>

#include "frontend/tokenizer/bpe_model.h"
#include "frontend/tokenizer/unigram_model.h"
#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

constexpr int32_t kMaxStrip = 1024;

// {"String": "..."} or {"Regex": "..."}.
Result<TextPattern> read_pattern(ComponentReader& component) {
  const std::string path = component.path_of("pattern");
  BITNETC_ASSIGN_OR_RETURN(const JsonValue* json, component.object("pattern"));
  BITNETC_ASSIGN_OR_RETURN(ComponentReader reader, ComponentReader::open(*json, path));
  const bool is_regex = reader.take("Regex") != nullptr;
  BITNETC_ASSIGN_OR_RETURN(std::string text, reader.string(is_regex ? "Regex" : "String"));
  BITNETC_RETURN_IF_ERROR(reader.finish());
  Result<TextPattern> pattern =
      is_regex ? TextPattern::regex(text) : TextPattern::literal(std::move(text));
  if (!pattern.ok()) return pattern.status().with_context(path);
  return pattern;
}

Result<ReplaceStep> read_replace(ComponentReader& reader) {
  BITNETC_ASSIGN_OR_RETURN(TextPattern pattern, read_pattern(reader));
  BITNETC_ASSIGN_OR_RETURN(std::string content, reader.string("content"));
  return ReplaceStep{std::move(pattern), std::move(content)};
}

Result<StripStep> read_strip(ComponentReader& reader) {
  BITNETC_ASSIGN_OR_RETURN(std::string content, reader.string("content"));
  if (content.empty() || first_utf8_unit(content).length_bytes != content.size()) {
    return reader.mistake("content", "one character");
  }
  BITNETC_ASSIGN_OR_RETURN(const int32_t start, reader.integer("start", 0, kMaxStrip));
  BITNETC_ASSIGN_OR_RETURN(const int32_t stop, reader.integer("stop", 0, kMaxStrip));
  return StripStep{std::move(content), start, stop};
}

// Calls read(value, path) for every element of the array `key`.
template <typename Read>
Status for_each_element(ComponentReader& reader, std::string_view key, Read read) {
  BITNETC_ASSIGN_OR_RETURN(const JsonValue* array, reader.array(key));
  for (size_t i = 0; i < array->items.size(); ++i) {
    BITNETC_RETURN_IF_ERROR(read(array->items[i], fmt::format("{}[{}]", reader.path_of(key), i)));
  }
  return {};
}

std::optional<NormalForm> normal_form_named(std::string_view type) {
  if (type == "NFC") return NormalForm::kNfc;
  if (type == "NFD") return NormalForm::kNfd;
  if (type == "NFKC") return NormalForm::kNfkc;
  if (type == "NFKD") return NormalForm::kNfkd;
  return std::nullopt;
}

Status add_normalizer(const JsonValue& json, std::string path, TextNormalizer& normalizer) {
  BITNETC_ASSIGN_OR_RETURN(ComponentReader reader, ComponentReader::open(json, std::move(path)));
  BITNETC_ASSIGN_OR_RETURN(const std::string type, reader.string("type"));
  if (type == "Sequence") {
    BITNETC_RETURN_IF_ERROR(
        for_each_element(reader, "normalizers", [&](const JsonValue& item, std::string item_path) {
          return add_normalizer(item, std::move(item_path), normalizer);
        }));
  } else if (type == "Prepend") {
    BITNETC_ASSIGN_OR_RETURN(std::string prefix, reader.string("prepend"));
    normalizer.add(PrependStep{std::move(prefix)});
  } else if (type == "Replace") {
    BITNETC_ASSIGN_OR_RETURN(ReplaceStep step, read_replace(reader));
    normalizer.add(std::move(step));
  } else if (const std::optional<NormalForm> form = normal_form_named(type)) {
    normalizer.add(NormalFormStep{*form});
  } else if (type == "Lowercase") {
    normalizer.add(LowercaseStep{});
  } else if (type == "StripAccents") {
    normalizer.add(StripAccentsStep{});
  } else if (type == "Strip") {
    BITNETC_ASSIGN_OR_RETURN(const bool left, reader.boolean_or("strip_left", true));
    BITNETC_ASSIGN_OR_RETURN(const bool right, reader.boolean_or("strip_right", true));
    normalizer.add(TrimStep{left, right});
  } else {
    return reader.unsupported("type",
                              "Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase, Strip, "
                              "StripAccents (or no normalizer)");
  }
  return reader.finish();
}

Result<SplitBehavior> read_behavior(ComponentReader& reader) {
  BITNETC_ASSIGN_OR_RETURN(const std::string behavior, reader.string("behavior"));
  if (behavior == "Isolated") return SplitBehavior::kIsolated;
  if (behavior == "Removed") return SplitBehavior::kRemoved;
  if (behavior == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (behavior == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (behavior == "Contiguous") return SplitBehavior::kContiguous;
  return reader.unsupported("behavior",
                            "Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous");
}

// trim_offsets only moves the offsets that encode() does not report.
Status read_byte_level_flags(ComponentReader& reader, bool& add_prefix_space, bool& use_regex) {
  BITNETC_ASSIGN_OR_RETURN(add_prefix_space, reader.boolean("add_prefix_space"));
  BITNETC_RETURN_IF_ERROR(reader.boolean("trim_offsets").status());
  BITNETC_ASSIGN_OR_RETURN(use_regex, reader.boolean_or("use_regex", true));
  return {};
}

struct Metaspace {
  std::string replacement;  // one character
  PrependScheme scheme = PrependScheme::kAlways;
  bool splits = true;
};

// Older files say add_prefix_space instead of prepend_scheme.
Result<Metaspace> read_metaspace(ComponentReader& reader) {
  Metaspace metaspace;
  BITNETC_ASSIGN_OR_RETURN(metaspace.replacement, reader.string("replacement"));
  const std::string& replacement = metaspace.replacement;
  if (replacement.empty() || first_utf8_unit(replacement).length_bytes != replacement.size())
    return reader.mistake("replacement", "one character");
  BITNETC_ASSIGN_OR_RETURN(const bool prefixes, reader.boolean_or("add_prefix_space", true));
  if (!prefixes) metaspace.scheme = PrependScheme::kNever;
  if (reader.take("prepend_scheme") != nullptr) {
    BITNETC_ASSIGN_OR_RETURN(const std::string scheme, reader.string("prepend_scheme"));
    if (scheme == "never") {
      metaspace.scheme = PrependScheme::kNever;
    } else if (scheme == "first") {
      metaspace.scheme = PrependScheme::kFirst;
    } else if (scheme == "always") {
      metaspace.scheme = PrependScheme::kAlways;
    } else {
      return reader.unsupported("prepend_scheme", "always, first, never");
    }
  }
  if (reader.take("str_rep") != nullptr)  // of older files: the replacement once more
    BITNETC_RETURN_IF_ERROR(reader.string("str_rep").status());
  BITNETC_ASSIGN_OR_RETURN(metaspace.splits, reader.boolean_or("split", true));
  return metaspace;
}

Status add_pre_tokenizer(const JsonValue& json, std::string path, PreTokenizer& pre_tokenizer) {
  BITNETC_ASSIGN_OR_RETURN(ComponentReader reader, ComponentReader::open(json, std::move(path)));
  BITNETC_ASSIGN_OR_RETURN(const std::string type, reader.string("type"));
  if (type == "Sequence") {
    BITNETC_RETURN_IF_ERROR(for_each_element(
        reader, "pretokenizers", [&](const JsonValue& item, std::string item_path) {
          return add_pre_tokenizer(item, std::move(item_path), pre_tokenizer);
        }));
  } else if (type == "Split") {
    BITNETC_ASSIGN_OR_RETURN(TextPattern pattern, read_pattern(reader));
    BITNETC_ASSIGN_OR_RETURN(const SplitBehavior behavior, read_behavior(reader));
    BITNETC_ASSIGN_OR_RETURN(const bool invert, reader.boolean("invert"));
    pre_tokenizer.steps.push_back(make_split(std::move(pattern), behavior, invert));
  } else if (type == "ByteLevel") {
    bool add_prefix_space = false;
    bool use_regex = false;
    BITNETC_RETURN_IF_ERROR(read_byte_level_flags(reader, add_prefix_space, use_regex));
    if (pre_tokenizer.is_byte_level) return reader.unsupported("type", "one ByteLevel");
    BITNETC_ASSIGN_OR_RETURN(auto step, make_byte_level(add_prefix_space, use_regex));
    pre_tokenizer.steps.push_back(std::move(step));
    pre_tokenizer.is_byte_level = true;
  } else if (type == "Digits") {
    BITNETC_ASSIGN_OR_RETURN(const bool individual_digits, reader.boolean("individual_digits"));
    BITNETC_ASSIGN_OR_RETURN(auto step, make_digits(individual_digits));
    pre_tokenizer.steps.push_back(std::move(step));
  } else if (type == "Metaspace") {
    BITNETC_ASSIGN_OR_RETURN(Metaspace metaspace, read_metaspace(reader));
    BITNETC_ASSIGN_OR_RETURN(auto step, make_metaspace(std::move(metaspace.replacement),
                                                       metaspace.scheme, metaspace.splits));
    pre_tokenizer.steps.push_back(std::move(step));
  } else if (type == "Punctuation") {
    SplitBehavior behavior = SplitBehavior::kIsolated;
    if (reader.take("behavior") != nullptr) {
      BITNETC_ASSIGN_OR_RETURN(behavior, read_behavior(reader));
    }
    BITNETC_ASSIGN_OR_RETURN(auto step, make_punctuation(behavior));
    pre_tokenizer.steps.push_back(std::move(step));
  } else if (type == "WhitespaceSplit") {
    BITNETC_ASSIGN_OR_RETURN(auto step, make_white_space_split());
    pre_tokenizer.steps.push_back(std::move(step));
  } else {
    return reader.unsupported("type",
                              "Sequence, Split, ByteLevel, Digits, Metaspace, Punctuation, "
                              "WhitespaceSplit (or no pre_tokenizer)");
  }
  return reader.finish();
}

// The ids of the special token `name` of a template.
Result<std::vector<int32_t>> read_template_ids(const JsonValue& special_tokens,
                                               const std::string& name, const std::string& path) {
  const JsonValue* json = special_tokens.find(name);
  if (json == nullptr) {
    return make_error(StatusCode::kDataCorrupt, "{} lacks \"{}\", which the template names", path,
                      name);
  }
  BITNETC_ASSIGN_OR_RETURN(ComponentReader reader,
                           ComponentReader::open(*json, fmt::format("{}[\"{}\"]", path, name)));
  BITNETC_ASSIGN_OR_RETURN(const JsonValue* ids_json, reader.array("ids"));
  std::vector<int32_t> ids;
  for (const JsonValue& id : ids_json->items) {
    if (id.kind != JsonValue::Kind::kInteger || id.integer < 0 || id.integer > kMaxTokenId) {
      return reader.mistake("ids", fmt::format("token ids, found {}", describe(id)));
    }
    ids.push_back(static_cast<int32_t>(id.integer));
  }
  return ids;
}

Status add_template(ComponentReader& reader, TokenFrame& frame) {
  reader.take("pair");  // for two texts; encode() takes one
  BITNETC_ASSIGN_OR_RETURN(const JsonValue* special_tokens, reader.object("special_tokens"));
  TokenFrame added;
  bool has_text = false;
  BITNETC_RETURN_IF_ERROR(for_each_element(
      reader, "single", [&](const JsonValue& item, const std::string& path) -> Status {
        BITNETC_ASSIGN_OR_RETURN(ComponentReader piece, ComponentReader::open(item, path));
        const bool is_text = piece.take("Sequence") != nullptr;
        const char* const kind = is_text ? "Sequence" : "SpecialToken";
        BITNETC_ASSIGN_OR_RETURN(const JsonValue* body, piece.object(kind));
        BITNETC_ASSIGN_OR_RETURN(ComponentReader fields,
                                 ComponentReader::open(*body, piece.path_of(kind)));
        BITNETC_ASSIGN_OR_RETURN(const std::string id, fields.string("id"));
        if (is_text) {
          if (id != "A" || has_text) return fields.unsupported("id", "one sequence, A");
          has_text = true;
          return {};
        }
        BITNETC_ASSIGN_OR_RETURN(
            const std::vector<int32_t> ids,
            read_template_ids(*special_tokens, id, reader.path_of("special_tokens")));
        std::vector<int32_t>& side = has_text ? added.behind : added.before;
        side.insert(side.end(), ids.begin(), ids.end());
        return {};
      }));
  if (!has_text) return reader.unsupported("single", "a template with the sequence A");
  frame.before.insert(frame.before.begin(), added.before.begin(), added.before.end());
  frame.behind.insert(frame.behind.end(), added.behind.begin(), added.behind.end());
  return {};
}

Status add_post_processor(const JsonValue& json, std::string path, TokenFrame& frame) {
  BITNETC_ASSIGN_OR_RETURN(ComponentReader reader, ComponentReader::open(json, std::move(path)));
  BITNETC_ASSIGN_OR_RETURN(const std::string type, reader.string("type"));
  if (type == "Sequence") {
    BITNETC_RETURN_IF_ERROR(
        for_each_element(reader, "processors", [&](const JsonValue& item, std::string item_path) {
          return add_post_processor(item, std::move(item_path), frame);
        }));
  } else if (type == "ByteLevel") {
    bool ignored = false;
    BITNETC_RETURN_IF_ERROR(read_byte_level_flags(reader, ignored, ignored));
  } else if (type == "TemplateProcessing") {
    BITNETC_RETURN_IF_ERROR(add_template(reader, frame));
  } else {
    return reader.unsupported("type",
                              "Sequence, ByteLevel, TemplateProcessing (or no post_processor)");
  }
  return reader.finish();
}

// How far a decoder has come: single tokens, runs of byte tokens, one text.
enum class DecoderStage { kTokens, kByteRuns, kText };

Status add_decoder(const JsonValue& json, std::string path, DecoderStage& stage,
                   DecoderPlan& plan) {
  BITNETC_ASSIGN_OR_RETURN(ComponentReader reader, ComponentReader::open(json, std::move(path)));
  BITNETC_ASSIGN_OR_RETURN(const std::string type, reader.string("type"));
  const auto misplaced = [&](const char* rule) {
    return make_error(StatusCode::kUnsupported, "{} = \"{}\" is not supported here: {}",
                      reader.path_of("type"), type, rule);
  };
  if (type == "Sequence") {
    BITNETC_RETURN_IF_ERROR(
        for_each_element(reader, "decoders", [&](const JsonValue& item, std::string item_path) {
          return add_decoder(item, std::move(item_path), stage, plan);
        }));
  } else if (type == "ByteLevel") {
    bool ignored = false;
    BITNETC_RETURN_IF_ERROR(read_byte_level_flags(reader, ignored, ignored));
    if (stage != DecoderStage::kTokens)
      return misplaced("it joins tokens, which are joined already");
    plan.join = DecoderPlan::Join::kBytes;
    stage = DecoderStage::kText;
  } else if (type == "Metaspace") {
    BITNETC_ASSIGN_OR_RETURN(const Metaspace metaspace, read_metaspace(reader));
    const bool is_alone = stage == DecoderStage::kTokens && plan.per_token.is_identity();
    if (!is_alone) return misplaced("it must come first");
    plan.metaspace = metaspace.replacement;
    plan.first_drops_metaspace = metaspace.scheme != PrependScheme::kNever;
    stage = DecoderStage::kText;
  } else if (type == "ByteFallback") {
    if (stage != DecoderStage::kTokens)
      return misplaced("it joins tokens, which are joined already");
    plan.join = DecoderPlan::Join::kByteRuns;
    stage = DecoderStage::kByteRuns;
  } else if (type == "Fuse") {
    stage = DecoderStage::kText;
  } else if (type == "Replace") {
    if (stage != DecoderStage::kTokens) return misplaced("it must come before tokens are joined");
    BITNETC_ASSIGN_OR_RETURN(ReplaceStep step, read_replace(reader));
    plan.per_token.add(std::move(step));
  } else if (type == "Strip") {
    BITNETC_ASSIGN_OR_RETURN(StripStep step, read_strip(reader));
    if (stage == DecoderStage::kTokens) {
      plan.per_token.add(std::move(step));
    } else {
      const bool fits =
          stage == DecoderStage::kText && step.stop == 0 && plan.strip_content.empty();
      if (!fits) return misplaced("once, behind Fuse or ByteLevel, with stop = 0");
      plan.strip_content = std::move(step.content);
      plan.strip_start = step.start;
    }
  } else {
    return reader.unsupported(
        "type",
        "Sequence, ByteLevel, Metaspace, ByteFallback, Fuse, Replace, Strip (or no decoder)");
  }
  return reader.finish();
}

// Absent, null and the empty string all mean that an affix is not in use.
Status expect_no_affix(ComponentReader& reader, std::string_view key) {
  const JsonValue* value = reader.take(key);
  if (value == nullptr || (value->kind == JsonValue::Kind::kString && value->text.empty()))
    return {};
  return reader.unsupported(key, "null");
}

Result<std::unique_ptr<const TokenModel>> read_bpe(ComponentReader& reader,
                                                   const TokenizerDocument& document,
                                                   bool is_byte_level) {
  if (!document.scores.empty())
    return make_error(StatusCode::kDataCorrupt,
                      "model.vocab = an array of {}: expected an object of tokens and their ids",
                      document.scores.size());
  BITNETC_RETURN_IF_ERROR(reader.object("vocab").status());
  BITNETC_RETURN_IF_ERROR(reader.array("merges").status());
  BITNETC_RETURN_IF_ERROR(expect_no_affix(reader, "continuing_subword_prefix"));
  BITNETC_RETURN_IF_ERROR(expect_no_affix(reader, "end_of_word_suffix"));
  const JsonValue* dropout = reader.take("dropout");
  const bool drops = dropout != nullptr &&
                     !((dropout->kind == JsonValue::Kind::kReal && dropout->real == 0) ||
                       (dropout->kind == JsonValue::Kind::kInteger && dropout->integer == 0));
  if (drops) return reader.unsupported("dropout", "null or 0");

  BpeOptions options;
  options.is_byte_level = is_byte_level;
  BITNETC_ASSIGN_OR_RETURN(options.ignore_merges, reader.boolean_or("ignore_merges", false));
  BITNETC_ASSIGN_OR_RETURN(options.byte_fallback, reader.boolean_or("byte_fallback", false));
  BITNETC_ASSIGN_OR_RETURN(options.fuse_unk, reader.boolean_or("fuse_unk", false));
  if (reader.take("unk_token") != nullptr) {
    BITNETC_ASSIGN_OR_RETURN(const std::string unk, reader.string("unk_token"));
    options.unk_id = document.vocabulary.find(unk);
    if (!options.unk_id) return reader.mistake("unk_token", "a token of model.vocab");
  }
  BITNETC_RETURN_IF_ERROR(reader.finish());
  BITNETC_ASSIGN_OR_RETURN(BpeModel model,
                           BpeModel::create(document.vocabulary, document.merges, options));
  return std::unique_ptr<const TokenModel>(std::make_unique<BpeModel>(std::move(model)));
}

Result<std::unique_ptr<const TokenModel>> read_unigram(ComponentReader& reader,
                                                       const TokenizerDocument& document) {
  BITNETC_RETURN_IF_ERROR(reader.array("vocab").status());
  UnigramOptions options;
  BITNETC_ASSIGN_OR_RETURN(options.byte_fallback, reader.boolean_or("byte_fallback", false));
  if (reader.take("unk_id") != nullptr) {
    BITNETC_ASSIGN_OR_RETURN(options.unk_id,
                             reader.integer("unk_id", 0, document.vocabulary.id_end() - 1));
  }
  BITNETC_RETURN_IF_ERROR(reader.finish());
  BITNETC_ASSIGN_OR_RETURN(UnigramModel model,
                           UnigramModel::create(document.vocabulary, document.scores, options));
  return std::unique_ptr<const TokenModel>(std::make_unique<UnigramModel>(std::move(model)));
}

}  // namespace

Result<TextNormalizer> read_normalizer(const JsonValue* json) {
  TextNormalizer normalizer;
  if (json != nullptr) BITNETC_RETURN_IF_ERROR(add_normalizer(*json, "normalizer", normalizer));
  return normalizer;
}

Result<PreTokenizer> read_pre_tokenizer(const JsonValue* json) {
  PreTokenizer pre_tokenizer;
  if (json != nullptr) {
    BITNETC_RETURN_IF_ERROR(add_pre_tokenizer(*json, "pre_tokenizer", pre_tokenizer));
  }
  return pre_tokenizer;
}

Result<TokenFrame> read_post_processor(const JsonValue* json) {
  TokenFrame frame;
  if (json != nullptr) BITNETC_RETURN_IF_ERROR(add_post_processor(*json, "post_processor", frame));
  return frame;
}

Result<DecoderPlan> read_decoder(const JsonValue* json) {
  DecoderPlan plan;
  if (json == nullptr) return plan;
  plan.join = DecoderPlan::Join::kText;
  DecoderStage stage = DecoderStage::kTokens;
  BITNETC_RETURN_IF_ERROR(add_decoder(*json, "decoder", stage, plan));
  return plan;
}

Result<std::vector<AddedToken>> read_added_tokens(const JsonValue* json) {
  std::vector<AddedToken> tokens;
  if (json == nullptr) return tokens;
  if (json->kind != JsonValue::Kind::kArray) {
    return make_error(StatusCode::kDataCorrupt, "added_tokens = {}: expected an array",
                      describe(*json));
  }
  for (size_t i = 0; i < json->items.size(); ++i) {
    BITNETC_ASSIGN_OR_RETURN(
        ComponentReader reader,
        ComponentReader::open(json->items[i], fmt::format("added_tokens[{}]", i)));
    AddedToken token;
    BITNETC_ASSIGN_OR_RETURN(token.id, reader.integer("id", 0, kMaxTokenId));
    BITNETC_ASSIGN_OR_RETURN(token.content, reader.string("content"));
    if (token.content.empty()) return reader.mistake("content", "a text that is not empty");
    BITNETC_ASSIGN_OR_RETURN(token.single_word, reader.boolean("single_word"));
    BITNETC_ASSIGN_OR_RETURN(token.lstrip, reader.boolean("lstrip"));
    BITNETC_ASSIGN_OR_RETURN(token.rstrip, reader.boolean("rstrip"));
    BITNETC_ASSIGN_OR_RETURN(token.normalized, reader.boolean("normalized"));
    BITNETC_ASSIGN_OR_RETURN(token.special, reader.boolean("special"));
    BITNETC_RETURN_IF_ERROR(reader.finish());
    tokens.push_back(std::move(token));
  }
  return tokens;
}

Result<std::unique_ptr<const TokenModel>> read_model(const JsonValue* json,
                                                     const TokenizerDocument& document,
                                                     bool is_byte_level) {
  if (json == nullptr) return Status(StatusCode::kDataCorrupt, "model is missing");
  BITNETC_ASSIGN_OR_RETURN(ComponentReader reader, ComponentReader::open(*json, "model"));
  BITNETC_ASSIGN_OR_RETURN(const std::string type, reader.string("type"));
  if (type == "BPE") return read_bpe(reader, document, is_byte_level);
  if (type == "Unigram") return read_unigram(reader, document);
  return reader.unsupported("type", "BPE, Unigram");
}

}  // namespace bitnetc
