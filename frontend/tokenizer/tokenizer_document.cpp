#include "frontend/tokenizer/tokenizer_document.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "frontend/json/strict_json.h"
#include "frontend/stand_in.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 30;  // offsets into token texts are 32-bit
constexpr size_t kMaxDepth = 64;

JsonValue make_value(JsonValue::Kind kind) {
  JsonValue value;
  value.kind = kind;
  return value;
}

// Receives the parser's events. `mode_` says who takes the next one: the tree, or one of the two
// big members, which would take several times their size as a tree.
class DocumentBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit DocumentBuilder(TokenizerDocument& document) : document_(document) {}

  Status take_status() { return std::move(status_); }

  bool null() override { return scalar(make_value(JsonValue::Kind::kNull)); }

  bool boolean(bool boolean) override {
    JsonValue value = make_value(JsonValue::Kind::kBoolean);
    value.boolean = boolean;
    return scalar(std::move(value));
  }

  bool number_integer(int64_t integer) override {
    JsonValue value = make_value(JsonValue::Kind::kInteger);
    value.integer = integer;
    return scalar(std::move(value));
  }

  bool number_unsigned(uint64_t integer) override {
    if (integer > INT64_MAX) return number_float(static_cast<double>(integer), {});
    return number_integer(static_cast<int64_t>(integer));
  }

  bool number_float(double real, const std::string&) override {
    JsonValue value = make_value(JsonValue::Kind::kReal);
    value.real = real;
    return scalar(std::move(value));
  }

  bool string(std::string& text) override {
    if (mode_ == Mode::kMerges) return merge_line(text);
    if (mode_ == Mode::kScorePair && pair_.empty()) {
      pair_.push_back(std::move(text));
      return true;
    }
    if (mode_ == Mode::kMergePair && pair_.size() < 2) {
      pair_.push_back(std::move(text));
      return true;
    }
    JsonValue value = make_value(JsonValue::Kind::kString);
    value.text = std::move(text);
    return scalar(std::move(value));
  }

  bool binary(binary_t&) override { return fail("a binary value"); }

  bool start_object(size_t) override {
    if (mode_ != Mode::kTree) return unexpected(make_value(JsonValue::Kind::kObject));
    const bool is_vocabulary = is_at("vocab");
    if (!open(JsonValue::Kind::kObject)) return false;
    if (is_vocabulary) mode_ = Mode::kVocabulary;
    return true;
  }

  bool key(std::string& key) override {
    if (mode_ == Mode::kVocabulary) {
      token_ = std::move(key);
    } else {
      open_.back()->keys.push_back(std::move(key));
    }
    return true;
  }

  bool end_object() override {
    mode_ = Mode::kTree;
    std::vector<std::string_view> keys(open_.back()->keys.begin(), open_.back()->keys.end());
    std::sort(keys.begin(), keys.end());
    const auto twin = std::adjacent_find(keys.begin(), keys.end());
    if (twin != keys.end()) return fail(fmt::format("key \"{}\" appears twice", *twin));
    open_.pop_back();
    return true;
  }

  bool start_array(size_t) override {
    if (mode_ == Mode::kMerges) {
      mode_ = Mode::kMergePair;
      pair_.clear();
      return true;
    }
    if (mode_ == Mode::kScores) {
      mode_ = Mode::kScorePair;
      pair_.clear();
      score_.reset();
      return true;
    }
    if (mode_ != Mode::kTree) return unexpected(make_value(JsonValue::Kind::kArray));
    const bool is_merges = is_at("merges");
    const bool is_scores = is_at("vocab");
    if (!open(JsonValue::Kind::kArray)) return false;
    if (is_merges) mode_ = Mode::kMerges;
    if (is_scores) mode_ = Mode::kScores;
    return true;
  }

  bool end_array() override {
    if (mode_ == Mode::kMergePair) {
      if (pair_.size() != 2) return bad_merge(fmt::format("{} strings", pair_.size()));
      document_.merges.add(pair_[0], pair_[1]);
      mode_ = Mode::kMerges;
      return true;
    }
    if (mode_ == Mode::kScorePair) return scored_token();
    mode_ = Mode::kTree;
    open_.pop_back();
    return true;
  }

  bool parse_error(size_t position, const std::string& last_token,
                   const nlohmann::json::exception&) override {
    return fail(
        fmt::format("not valid JSON at byte {}, near \"{}\"", position, printable(last_token, 40)));
  }

 private:
  enum class Mode { kTree, kVocabulary, kScores, kScorePair, kMerges, kMergePair };

  bool fail(std::string message) {
    status_ = Status(StatusCode::kDataCorrupt, std::move(message));
    return false;
  }

  bool bad_merge(const std::string& found) {
    return fail(
        fmt::format("model.merges[{}] = {}: expected \"left right\" or [\"left\", \"right\"]",
                    document_.merges.size(), found));
  }

  bool unexpected(const JsonValue& value) {
    if (mode_ == Mode::kScores || mode_ == Mode::kScorePair) return bad_score(describe(value));
    if (mode_ != Mode::kVocabulary) return bad_merge(describe(value));
    return fail(fmt::format("model.vocab[\"{}\"] = {}: expected a token id in [0, {}]", token_,
                            describe(value), kMaxTokenId));
  }

  // Whether the value about to start is the member `key` of the object "model" of the root.
  bool is_at(std::string_view key) const {
    return open_.size() == 2 && open_[0]->kind == JsonValue::Kind::kObject &&
           open_[0]->keys.back() == "model" && open_[1]->kind == JsonValue::Kind::kObject &&
           open_[1]->keys.back() == key;
  }

  JsonValue* place(JsonValue value) {
    if (open_.empty()) {
      document_.root = std::move(value);
      return &document_.root;
    }
    return &open_.back()->items.emplace_back(std::move(value));
  }

  bool open(JsonValue::Kind kind) {
    if (open_.size() == kMaxDepth) return fail(fmt::format("nested deeper than {}", kMaxDepth));
    open_.push_back(place(make_value(kind)));
    return true;
  }

  bool scalar(JsonValue value) {
    if (mode_ == Mode::kVocabulary) return vocabulary_entry(value);
    const bool is_number =
        value.kind == JsonValue::Kind::kReal || value.kind == JsonValue::Kind::kInteger;
    if (mode_ == Mode::kScorePair && is_number && pair_.size() == 1 && !score_) {
      score_ =
          value.kind == JsonValue::Kind::kReal ? value.real : static_cast<double>(value.integer);
      return true;
    }
    if (mode_ != Mode::kTree) return unexpected(value);
    place(std::move(value));
    return true;
  }

  bool vocabulary_entry(const JsonValue& value) {
    if (value.kind != JsonValue::Kind::kInteger || value.integer < 0 ||
        value.integer > kMaxTokenId) {
      return unexpected(value);
    }
    const auto id = static_cast<int32_t>(value.integer);
    switch (document_.vocabulary.insert(token_, id)) {
      case Vocabulary::Insert::kDone: return true;
      case Vocabulary::Insert::kDuplicateText:
        return fail(fmt::format("model.vocab: token \"{}\" appears twice", token_));
      case Vocabulary::Insert::kDuplicateId: break;
    }
    return fail(fmt::format("model.vocab: id {} is given to \"{}\" and to \"{}\"", id,
                            *document_.vocabulary.text(id), token_));
  }

  bool bad_score(const std::string& found) {
    return fail(fmt::format("model.vocab[{}] is {}: expected a token and its score",
                            document_.scores.size(), found));
  }

  // The end of ["token", -1.5]; its place in the list is its id.
  bool scored_token() {
    if (pair_.empty() || !score_) return bad_score("an array of less than 2");
    const size_t id = document_.scores.size();
    if (id > static_cast<size_t>(kMaxTokenId)) return bad_score("one token too many");
    if (document_.vocabulary.insert(pair_[0], static_cast<int32_t>(id)) !=
        Vocabulary::Insert::kDone)
      return fail(fmt::format("model.vocab: token \"{}\" appears twice", pair_[0]));
    document_.scores.push_back(*score_);
    mode_ = Mode::kScores;
    return true;
  }

  bool merge_line(const std::string& line) {
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      return bad_merge(fmt::format("\"{}\"", line));
    }
    const std::string_view view = line;
    document_.merges.add(view.substr(0, space), view.substr(space + 1));
    return true;
  }

  TokenizerDocument& document_;
  std::vector<JsonValue*> open_;  // the arrays and objects around the next value, outermost first
  Mode mode_ = Mode::kTree;
  std::string token_;              // the key of the next vocabulary entry
  std::vector<std::string> pair_;  // the strings so far of an array with a merge or a score
  std::optional<double> score_;    // of the token in pair_
  Status status_;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto it = std::find(keys.begin(), keys.end(), key);
  return it == keys.end() ? nullptr : &items[static_cast<size_t>(it - keys.begin())];
}

std::string describe(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kNull: return "null";
    case JsonValue::Kind::kBoolean: return value.boolean ? "true" : "false";
    case JsonValue::Kind::kInteger: return std::to_string(value.integer);
    case JsonValue::Kind::kReal: return fmt::format("{}", value.real);
    case JsonValue::Kind::kString: return fmt::format("\"{}\"", value.text);
    case JsonValue::Kind::kArray: return fmt::format("an array of {}", value.items.size());
    case JsonValue::Kind::kObject: break;
  }
  return "an object";
}

void MergeList::add(std::string_view left, std::string_view right) {
  spans_.push_back({static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(left.size()),
                    static_cast<uint32_t>(right.size())});
  texts_.append(left);
  texts_.append(right);
}

MergeList::Pair MergeList::operator[](size_t rank) const {
  const Span& span = spans_[rank];
  const std::string_view texts = texts_;
  return {texts.substr(span.offset, span.left_bytes),
          texts.substr(span.offset + span.left_bytes, span.right_bytes)};
}

Result<TokenizerDocument> parse_tokenizer_document(std::string_view json) {
  if (json.size() > kMaxBytes) {
    return make_error(StatusCode::kUnsupported, "{} bytes: expected at most {}", json.size(),
                      kMaxBytes);
  }
  BITNETC_RETURN_IF_ERROR(check_is_not_stand_in(json));
  BITNETC_RETURN_IF_ERROR(check_no_nul(json));
  TokenizerDocument document;
  DocumentBuilder builder(document);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &builder)) return builder.take_status();
  return document;
}

}  // namespace bitnetc
