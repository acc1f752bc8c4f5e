#include "frontend/gguf/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "frontend/gguf/splitting_rules.h"
#include "frontend/gguf/token_type.h"
#include "frontend/unicode/utf8.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr char kModelKey[] = "tokenizer.ggml.model";
constexpr char kTokensKey[] = "tokenizer.ggml.tokens";
constexpr char kTypesKey[] = "tokenizer.ggml.token_type";
constexpr char kMergesKey[] = "tokenizer.ggml.merges";
constexpr char kScoresKey[] = "tokenizer.ggml.scores";
constexpr char kSpaceKey[] = "tokenizer.ggml.add_space_prefix";
constexpr char kPreKey[] = "tokenizer.ggml.pre";
constexpr char kTemplateKey[] = "tokenizer.chat_template";
constexpr char kWholeKey[] = "tokenizer.huggingface.json";

constexpr char kSpaceMark[] = "\u2581";  // stands for a blank in pieces
// Bounds the ways in which one token may be made.
constexpr size_t kMostPieceBytes = 512;
constexpr int64_t kMostAddedTokens = 1 << 16;

using enum gguf::TokenType;

// Control tokens that end a text whatever the metadata call the end.
constexpr std::string_view kEndTexts[] = {"<|eot_id|>",    "<|im_end|>",    "<|end|>",
                                          "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>"};

// How BitNet-b1.58-2B-4T is talked to. Its published GGUF has a template of an older model.
constexpr std::string_view kWrongTemplatePart = "BITNETAssistant";
constexpr char kRepairedTemplate[] =
    "{% for message in messages %}"
    "{{ message['role'] | capitalize + ': ' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

// Appends `text`, valid UTF-8, as a JSON string.
void append_quoted(std::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      *out += "\\u00";
      *out += kHex[c >> 4];
      *out += kHex[c & 15];
    } else {
      *out += c;
    }
  }
  *out += '"';
}

class TokenizerReader {
 public:
  TokenizerReader(const GgufArchitecture& architecture, int64_t vocab_size, MetadataReader* reader,
                  LoadReport* report)
      : architecture_(architecture), vocab_size_(vocab_size), reader_(*reader), report_(*report) {}

  Result<GgufTokenizer> read() {
    BITNETC_ASSIGN_OR_RETURN(const auto kind, reader_.text(kModelKey));
    if (!kind || !reader_.has(kTokensKey))
      return reader_.error(StatusCode::kNotFound, "there is no tokenizer ({} is missing)",
                           kind ? kTokensKey : kModelKey);
    BITNETC_RETURN_IF_ERROR(read_tokens());
    BITNETC_RETURN_IF_ERROR(check_added());
    BITNETC_RETURN_IF_ERROR(read_frame());
    BITNETC_RETURN_IF_ERROR(read_ends());
    BITNETC_RETURN_IF_ERROR(read_template());
    BITNETC_ASSIGN_OR_RETURN(auto whole, reader_.text(kWholeKey));
    if (whole) {
      for (const char* key : {kMergesKey, kPreKey, kScoresKey, kSpaceKey}) reader_.find(key);
      result_.json = *std::move(whole);
      return std::move(result_);
    }
    if (*kind == "gpt2") {
      BITNETC_ASSIGN_OR_RETURN(const SplittingRule* rule, read_rule());
      BITNETC_RETURN_IF_ERROR(write_byte_level(*rule));
      reader_.find(kScoresKey);  // of the merges' order, which the file has itself
    } else if (*kind == "llama") {
      BITNETC_RETURN_IF_ERROR(write_sentence_pieces());
    } else {
      return reader_.error(StatusCode::kUnsupported,
                           "{} = \"{}\" is not supported, only \"gpt2\" and \"llama\" are (or a "
                           "file with {})",
                           kModelKey, printable(*kind, 100), kWholeKey);
    }
    return std::move(result_);
  }

 private:
  void note(const std::string& text) {
    report_.notes.push_back(fmt::format("{}: {}", reader_.origin(), text));
  }

  Status read_tokens() {
    BITNETC_ASSIGN_OR_RETURN(tokens_, reader_.required_texts(kTokensKey));
    if (std::ssize(tokens_) > vocab_size_)
      return reader_.error(StatusCode::kDataCorrupt,
                           "{} has {} tokens, but the embedding has {} rows", kTokensKey,
                           tokens_.size(), vocab_size_);
    for (size_t id = 0; id < tokens_.size(); ++id)
      if (find_invalid_utf8(tokens_[id]) != std::string_view::npos)
        return reader_.error(StatusCode::kDataCorrupt, "{}: token {} is not UTF-8 (\"{}\")",
                             kTokensKey, id, printable(tokens_[id], 80));
    types_.assign(tokens_.size(), kNormal);
    if (reader_.has(kTypesKey)) {
      BITNETC_ASSIGN_OR_RETURN(types_, reader_.required_integers(kTypesKey));
    }
    if (types_.size() != tokens_.size())
      return reader_.error(StatusCode::kDataCorrupt, "{} has {} entries for {} tokens", kTypesKey,
                           types_.size(), tokens_.size());
    const auto bad =
        std::ranges::find_if(types_, [](int64_t t) { return t < kNormal || t > kByte; });
    if (bad != types_.end())
      return reader_.error(StatusCode::kDataCorrupt, "{}: entry {} is {}, expected 1 to 6",
                           kTypesKey, bad - types_.begin(), *bad);
    return {};
  }

  Result<std::optional<int64_t>> token_id(const char* name) {
    return reader_.integer(fmt::format("tokenizer.ggml.{}_token_id", name), 0,
                           std::ssize(tokens_) - 1);
  }

  // An added token takes a hundred times the memory that it takes in the file.
  Status check_added() const {
    int64_t added = 0;
    for (size_t id = 0; id < tokens_.size(); ++id) added += is_added(id) ? 1 : 0;
    if (added <= kMostAddedTokens) return {};
    return reader_.error(StatusCode::kUnsupported,
                         "{}: {} tokens are control or user-defined tokens, expected at most {}",
                         kTypesKey, added, kMostAddedTokens);
  }

  // The tokens around every text.
  Status read_frame() {
    BITNETC_ASSIGN_OR_RETURN(bos_, token_id("bos"));
    BITNETC_ASSIGN_OR_RETURN(eos_, token_id("eos"));
    for (const auto& id : {bos_, eos_})  // without token_type nothing else says what they are
      if (id && types_[static_cast<size_t>(*id)] == kNormal)
        types_[static_cast<size_t>(*id)] = kControl;
    BITNETC_ASSIGN_OR_RETURN(add_bos_, reader_.boolean("tokenizer.ggml.add_bos_token"));
    BITNETC_ASSIGN_OR_RETURN(add_eos_, reader_.boolean("tokenizer.ggml.add_eos_token"));
    const std::tuple<bool, bool, const char*> frame[] = {
        {add_bos_.value_or(false), bos_.has_value(), "bos"},
        {add_eos_.value_or(false), eos_.has_value(), "eos"}};
    for (const auto& [adds, known, name] : frame)
      if (adds && !known)
        return reader_.error(StatusCode::kDataCorrupt,
                             "tokenizer.ggml.add_{}_token is true, but tokenizer.ggml.{}_token_id "
                             "is missing",
                             name, name);
    return {};
  }

  Status read_ends() {
    GenerationDefaults& generation = result_.generation;
    if (bos_) generation.bos_id = static_cast<int32_t>(*bos_);
    const auto add = [&](std::optional<int64_t> id) {
      if (id && !std::ranges::count(generation.stop_ids, *id))
        generation.stop_ids.push_back(static_cast<int32_t>(*id));
    };
    add(eos_);
    for (const char* name : {"eot", "eom"}) {
      BITNETC_ASSIGN_OR_RETURN(const auto id, token_id(name));
      add(id);
    }
    for (size_t id = 0; id < tokens_.size(); ++id)
      if (types_[id] == kControl && std::ranges::count(kEndTexts, tokens_[id]) > 0)
        add(static_cast<int64_t>(id));
    BITNETC_ASSIGN_OR_RETURN(unknown_, token_id("unknown"));
    return read_special_tokens();
  }

  // What a chat template may name.
  Status read_special_tokens() {
    const std::pair<const char*, const char*> names[] = {
        {"bos", "bos_token"},       {"eos", "eos_token"}, {"unknown", "unk_token"},
        {"seperator", "sep_token"}, {"cls", "cls_token"}, {"mask", "mask_token"},
        {"padding", "pad_token"}};
    for (const auto& [name, special] : names) {
      BITNETC_ASSIGN_OR_RETURN(const auto id, token_id(name));
      if (id) result_.special_tokens[special] = tokens_[static_cast<size_t>(*id)];
    }
    return {};
  }

  Status read_template() {
    BITNETC_ASSIGN_OR_RETURN(const auto chat_template, reader_.text(kTemplateKey));
    result_.chat_template = chat_template.value_or("");
    const bool is_wrong = architecture_.repairs_tokenizer &&
                          result_.chat_template.find(kWrongTemplatePart) != std::string::npos;
    if (!is_wrong) return {};
    result_.chat_template = kRepairedTemplate;
    note(
        fmt::format("{} is that of another model (\"{}\"): replaced by the template of "
                    "BitNet-b1.58-2B-4T",
                    kTemplateKey, kWrongTemplatePart));
    return {};
  }

  Result<const SplittingRule*> read_rule() {
    BITNETC_ASSIGN_OR_RETURN(const auto pre, reader_.text(kPreKey));
    std::string_view name = pre ? std::string_view(*pre) : kDefaultRule;
    if (name == kDefaultRule && architecture_.repairs_tokenizer) {
      name = kLlama3Rule;
      note(
          fmt::format("{} is {}: text is split as Llama 3 does, which this architecture was "
                      "trained with",
                      kPreKey, pre ? "\"default\"" : "missing"));
    } else if (!pre) {
      note(fmt::format("{} is missing: text is split by the rule \"default\"", kPreKey));
    }
    const SplittingRule* rule = find_splitting_rule(name);
    if (rule == nullptr)
      return reader_.error(StatusCode::kUnsupported, "{} = \"{}\" is not supported; known: {}",
                           kPreKey, printable(name, 100), known_splitting_rules());
    return rule;
  }

  // An added token stands by itself in a text and is no result of merges. Where pieces have scores,
  // a user-defined one is both: spelled with U+2581, it is found in no text before spaces become
  // that.
  bool is_added(size_t id) const {
    return types_[id] == kControl || types_[id] == kUserDefined || types_[id] == kUnknown;
  }

  // Everything up to the model. Parts that are null stand as that.
  void write_opening(const OrderedJson& normalizer, const OrderedJson& pre_tokenizer,
                     const OrderedJson& post_processor, const OrderedJson& decoder) {
    const std::pair<const char*, const OrderedJson&> parts[] = {{"normalizer", normalizer},
                                                                {"pre_tokenizer", pre_tokenizer},
                                                                {"post_processor", post_processor},
                                                                {"decoder", decoder}};
    result_.json = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)";
    result_.json += added_tokens().dump();
    for (const auto& [name, part] : parts)
      result_.json += fmt::format(R"(,"{}":{})", name, part.dump());
  }

  // `has_bytes`: characters without a token become bytes.
  void write_model(bool ignores_merges, bool has_bytes) {
    const OrderedJson unknown =
        unknown_ ? OrderedJson(tokens_[static_cast<size_t>(*unknown_)]) : OrderedJson();
    result_.json += fmt::format(
        R"(,"model":{{"type":"BPE","dropout":null,"unk_token":{},"continuing_subword_prefix":null,)"
        R"("end_of_word_suffix":null,"fuse_unk":{},"byte_fallback":{},"ignore_merges":{},)"
        R"("vocab":{{)",
        unknown.dump(), has_bytes, has_bytes, ignores_merges);
    bool is_first = true;
    for (size_t id = 0; id < tokens_.size(); ++id) {
      const bool is_unknown = unknown_ && static_cast<size_t>(*unknown_) == id;
      const bool is_merged = has_scores_ && types_[id] == kUserDefined;
      if (is_added(id) && !is_unknown && !is_merged) continue;
      if (!is_first) result_.json += ',';
      is_first = false;
      append_quoted(tokens_[id], &result_.json);
      result_.json += fmt::format(":{}", id);
    }
    result_.json += R"(},"merges":[)";
  }

  Status write_byte_level(const SplittingRule& rule) {
    const OrderedJson decoder = {{"type", "ByteLevel"},
                                 {"add_prefix_space", true},
                                 {"trim_offsets", true},
                                 {"use_regex", true}};
    const bool begins = add_bos_.value_or(rule.adds_bos && bos_);
    unknown_.reset();  // every byte has a token
    write_opening(rule.normalizes_nfc ? OrderedJson{{"type", "NFC"}} : OrderedJson(),
                  pre_tokenizer(rule), post_processor(begins), decoder);
    write_model(rule.ignores_merges, false);
    BITNETC_RETURN_IF_ERROR(append_merges());
    result_.json += "]}}";
    return {};
  }

  // Of two neighbours those are merged that make the token of the highest score: as merges, every
  // way to make a token of two, the higher the score the earlier.
  Status write_sentence_pieces() {
    BITNETC_RETURN_IF_ERROR(check_plain_pieces());
    has_scores_ = true;
    BITNETC_ASSIGN_OR_RETURN(const auto prefix, reader_.boolean(kSpaceKey));
    const bool prepends = prefix.value_or(true);
    const auto replace = [](const char* from, const char* to) {
      return OrderedJson{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
    };
    OrderedJson normalizers = OrderedJson::array(), decoders = OrderedJson::array();
    if (prepends) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpaceMark}});
    normalizers.push_back(replace(" ", kSpaceMark));
    decoders.push_back(replace(kSpaceMark, " "));
    decoders.push_back({{"type", "ByteFallback"}});
    decoders.push_back({{"type", "Fuse"}});
    if (prepends)
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    const bool begins = add_bos_.value_or(bos_.has_value());
    write_opening({{"type", "Sequence"}, {"normalizers", std::move(normalizers)}}, OrderedJson(),
                  post_processor(begins),
                  {{"type", "Sequence"}, {"decoders", std::move(decoders)}});
    write_model(false, std::ranges::count(types_, kByte) > 0);
    BITNETC_RETURN_IF_ERROR(append_merges_by_score());
    result_.json += "]}}";
    return {};
  }

  Status check_plain_pieces() {
    BITNETC_ASSIGN_OR_RETURN(const auto removes,
                             reader_.boolean("tokenizer.ggml.remove_extra_whitespaces"));
    const char* const map = "tokenizer.ggml.precompiled_charsmap";
    if (removes.value_or(false) || reader_.has(map))
      return reader_.error(StatusCode::kUnsupported,
                           "{} and remove_extra_whitespaces are not supported", map);
    reader_.find(kPreKey);  // has no meaning here
    return {};
  }

  Status append_merges_by_score() {
    BITNETC_ASSIGN_OR_RETURN(const auto scores, reader_.required_numbers(kScoresKey));
    if (scores.size() != tokens_.size())
      return reader_.error(StatusCode::kDataCorrupt, "{} has {} entries for {} tokens", kScoresKey,
                           scores.size(), tokens_.size());
    std::unordered_set<std::string_view> pieces;
    std::vector<size_t> order;
    for (size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] != kNormal && types_[id] != kUserDefined) continue;
      if (std::isnan(scores[id]))
        return reader_.error(StatusCode::kDataCorrupt, "{}: entry {} is nan", kScoresKey, id);
      pieces.insert(tokens_[id]);
      order.push_back(id);
    }
    std::ranges::sort(order, [&](size_t a, size_t b) {
      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
    });
    bool is_first = true;
    for (const size_t id : order) {
      const std::string_view token = tokens_[id];
      if (token.size() > kMostPieceBytes) continue;
      for (size_t cut = first_utf8_unit(token).length_bytes; cut < token.size();
           cut += first_utf8_unit(token.substr(cut)).length_bytes) {
        if (!pieces.contains(token.substr(0, cut)) || !pieces.contains(token.substr(cut))) continue;
        if (!is_first) result_.json += ',';
        is_first = false;
        result_.json += '[';
        append_quoted(token.substr(0, cut), &result_.json);
        result_.json += ',';
        append_quoted(token.substr(cut), &result_.json);
        result_.json += ']';
      }
    }
    return {};
  }

  Status append_merges() {
    BITNETC_ASSIGN_OR_RETURN(const auto merges, reader_.required_texts(kMergesKey));
    for (size_t i = 0; i < merges.size(); ++i) {
      const std::string_view merge = merges[i];
      const size_t space = merge.find(' ');
      const bool fits = space != merge.npos && space > 0 && space + 1 < merge.size() &&
                        merge.find(' ', space + 1) == merge.npos &&
                        find_invalid_utf8(merge) == merge.npos;
      if (!fits)
        return reader_.error(StatusCode::kDataCorrupt,
                             "{}: entry {} is \"{}\", expected two tokens and a space between",
                             kMergesKey, i, printable(merge, 80));
      if (i > 0) result_.json += ',';
      append_quoted(merge, &result_.json);
    }
    return {};
  }

  OrderedJson added_tokens() const {
    OrderedJson tokens = OrderedJson::array();
    for (size_t id = 0; id < tokens_.size(); ++id)
      if (is_added(id))
        tokens.push_back({{"id", id},
                          {"content", tokens_[id]},
                          {"single_word", false},
                          {"lstrip", false},
                          {"rstrip", false},
                          {"normalized", false},
                          {"special", types_[id] != kUserDefined}});
    return tokens;
  }

  static OrderedJson pre_tokenizer(const SplittingRule& rule) {
    OrderedJson steps = OrderedJson::array();
    for (const std::string_view regex : rule.regexes)
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", regex}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    steps.push_back({{"type", "ByteLevel"},
                     {"add_prefix_space", false},
                     {"trim_offsets", true},
                     {"use_regex", false}});
    return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
  }

  OrderedJson post_processor(bool begins) const {
    const bool ends = add_eos_.value_or(false);
    if (!begins && !ends) return nullptr;
    OrderedJson special = OrderedJson::object();
    const auto piece = [&](int64_t id, int type_id) -> OrderedJson {
      const std::string text(tokens_[static_cast<size_t>(id)]);
      special[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
      return {{"SpecialToken", {{"id", text}, {"type_id", type_id}}}};
    };
    const auto frame = [&](OrderedJson* pieces, const char* sequence, int type_id) {
      if (begins) pieces->push_back(piece(*bos_, type_id));
      pieces->push_back({{"Sequence", {{"id", sequence}, {"type_id", type_id}}}});
      if (ends) pieces->push_back(piece(*eos_, type_id));
    };
    OrderedJson single = OrderedJson::array(), pair = OrderedJson::array();
    frame(&single, "A", 0);
    frame(&pair, "A", 0);
    frame(&pair, "B", 1);
    return {{"type", "TemplateProcessing"},
            {"single", std::move(single)},
            {"pair", std::move(pair)},
            {"special_tokens", std::move(special)}};
  }

  const GgufArchitecture& architecture_;
  const int64_t vocab_size_;
  MetadataReader& reader_;
  LoadReport& report_;
  std::vector<std::string_view> tokens_;
  std::vector<int64_t> types_;
  std::optional<int64_t> bos_, eos_, unknown_;
  std::optional<bool> add_bos_, add_eos_;
  bool has_scores_ = false;
  GgufTokenizer result_;
};

}  // namespace

Result<GgufTokenizer> read_gguf_tokenizer(const GgufArchitecture& architecture, int64_t vocab_size,
                                          MetadataReader* reader, LoadReport* report) {
  return TokenizerReader(architecture, vocab_size, reader, report).read();
}

}  // namespace bitnetc
