#include "frontend/tokenizer.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "frontend/tokenizer/components.h"
#include "frontend/unicode/utf8.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;  // positions in a text are 32-bit
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// " (max_length = 512)" for a block that says so, else nothing.
std::string sizes_in(const JsonValue& block) {
  const JsonValue* length = block.find("max_length");
  return length == nullptr ? "" : fmt::format(" (max_length = {})", describe(*length));
}

}  // namespace

struct Tokenizer::Impl {
  TokenizerDocument document;  // once read, only the vocabulary is kept; the model points into it
  std::map<int32_t, AddedToken> added;
  std::unordered_map<std::string, int32_t> added_ids;
  AddedTokenMatcher raw_matcher;         // of the tokens looked for in the raw text
  AddedTokenMatcher normalized_matcher;  // of those looked for in the normalised text
  TextNormalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::optional<BpeModel> model;
  TokenFrame frame;
  std::optional<TokenDecoding> decoding;

  // A line of `notes` says what is not applied.
  Status read(std::string_view json, std::vector<std::string>* notes);
  Status read_added(const JsonValue* json);
  Status make_matchers();
  Status make_decoding(const JsonValue* json);
  Status check_frame() const;
  Status normalize(TextPieces& text) const;
  // `typed` empty: nobody asks what was typed.
  Status cut(std::string_view text, std::span<const TextSpan> typed, TextPieces& pieces) const;
  Status encode(const TextPieces& pieces, std::vector<int32_t>& ids) const;
  std::optional<std::string_view> text_of(int32_t id) const;
  int32_t id_end() const;
};

std::optional<std::string_view> Tokenizer::Impl::text_of(int32_t id) const {
  if (const auto it = added.find(id); it != added.end()) return it->second.content;
  return document.vocabulary.text(id);
}

int32_t Tokenizer::Impl::id_end() const {
  const int32_t added_end = added.empty() ? 0 : added.rbegin()->first + 1;
  return std::max(added_end, document.vocabulary.id_end());
}

Status Tokenizer::Impl::read(std::string_view json, std::vector<std::string>* notes) {
  BITNETC_ASSIGN_OR_RETURN(document, parse_tokenizer_document(json));
  BITNETC_ASSIGN_OR_RETURN(ComponentReader root, ComponentReader::open(document.root, ""));
  if (const JsonValue* version = root.take("version"); version && version->text != "1.0") {
    return root.unsupported("version", "\"1.0\"");
  }
  // Settings of the calls that made the file: where a text is cut, and how a batch is filled up.
  for (const char* key : {"truncation", "padding"}) {
    if (root.take(key) == nullptr) continue;
    BITNETC_ASSIGN_OR_RETURN(const JsonValue* block, root.object(key));
    notes->push_back(fmt::format("{} is not applied{}", key, sizes_in(*block)));
  }
  BITNETC_RETURN_IF_ERROR(read_added(root.take("added_tokens")));
  BITNETC_ASSIGN_OR_RETURN(normalizer, read_normalizer(root.take("normalizer")));
  BITNETC_ASSIGN_OR_RETURN(pre_tokenizer, read_pre_tokenizer(root.take("pre_tokenizer")));
  BITNETC_ASSIGN_OR_RETURN(model,
                           read_model(root.take("model"), document, pre_tokenizer.is_byte_level));
  BITNETC_ASSIGN_OR_RETURN(frame, read_post_processor(root.take("post_processor")));
  BITNETC_RETURN_IF_ERROR(check_frame());
  BITNETC_RETURN_IF_ERROR(make_matchers());
  BITNETC_RETURN_IF_ERROR(make_decoding(root.take("decoder")));
  BITNETC_RETURN_IF_ERROR(root.finish());
  document.root = {};
  document.merges = {};
  return {};
}

// An added token may repeat an entry of the vocabulary, as the same text with the same id.
Status Tokenizer::Impl::read_added(const JsonValue* json) {
  BITNETC_ASSIGN_OR_RETURN(std::vector<AddedToken> tokens, read_added_tokens(json));
  for (AddedToken& token : tokens) {
    const std::optional<std::string_view> text = text_of(token.id);
    if (added.contains(token.id) || (text && *text != token.content)) {
      return make_error(StatusCode::kDataCorrupt,
                        "added_tokens: id {} of \"{}\" is taken by \"{}\"", token.id, token.content,
                        *text);
    }
    const std::optional<int32_t> id = document.vocabulary.find(token.content);
    if (id && *id != token.id) {
      return make_error(StatusCode::kDataCorrupt,
                        "added_tokens: \"{}\" has id {}, but model.vocab gives it {}",
                        token.content, token.id, *id);
    }
    if (!added_ids.emplace(token.content, token.id).second) {
      return make_error(StatusCode::kDataCorrupt, "added_tokens: \"{}\" appears twice",
                        token.content);
    }
    const int32_t key = token.id;
    added.emplace(key, std::move(token));
  }
  return {};
}

Status Tokenizer::Impl::make_matchers() {
  std::vector<AddedTokenMatcher::Entry> raw;
  std::vector<AddedTokenMatcher::Entry> normalized;
  for (const auto& [id, token] : added) {
    if (!token.normalized) {
      raw.push_back({token.content, token});
      continue;
    }
    BITNETC_ASSIGN_OR_RETURN(std::string text, normalizer.apply(token.content));
    if (text.empty()) {
      return make_error(StatusCode::kUnsupported,
                        "added_tokens: the normalizer leaves nothing of \"{}\"", token.content);
    }
    normalized.push_back({std::move(text), token});
  }
  BITNETC_ASSIGN_OR_RETURN(raw_matcher, AddedTokenMatcher::create(std::move(raw)));
  BITNETC_ASSIGN_OR_RETURN(normalized_matcher, AddedTokenMatcher::create(std::move(normalized)));
  return {};
}

Status Tokenizer::Impl::make_decoding(const JsonValue* json) {
  BITNETC_ASSIGN_OR_RETURN(DecoderPlan plan, read_decoder(json));
  decoding.emplace(std::move(plan));
  for (int32_t id = 0; id < id_end(); ++id) {
    const std::optional<std::string_view> text = text_of(id);
    if (!text) continue;
    const auto it = added.find(id);
    const bool is_special = it != added.end() && it->second.special;
    const Status status = decoding->add(id, *text, is_special);
    if (!status.ok()) return status.with_context(fmt::format("decoder: token {}", id));
  }
  return {};
}

Status Tokenizer::Impl::check_frame() const {
  for (const auto* ids : {&frame.before, &frame.behind}) {
    for (const int32_t id : *ids) {
      if (text_of(id)) continue;
      return make_error(StatusCode::kDataCorrupt,
                        "post_processor: token id {} is not in the vocabulary", id);
    }
  }
  return {};
}

Status Tokenizer::Impl::normalize(TextPieces& text) const {
  if (normalizer.is_identity()) return {};
  // Nothing typed concerns what follows if no special token is looked for any more.
  if (!normalized_matcher.has_special()) text.typed.clear();
  std::vector<TextPiece> normalized_pieces;
  std::vector<std::vector<TextSpan>> typed;
  for (size_t i = 0; i < text.pieces.size(); ++i) {
    TextPiece piece = text.pieces[i];
    std::vector<TextSpan>* const spans = text.typed.empty() ? nullptr : &text.typed[i];
    if (!piece.is_token()) {
      BITNETC_ASSIGN_OR_RETURN(std::string normalized,
                               normalizer.apply(std::string(piece.text), spans));
      if (normalized.empty()) continue;
      piece.text = text.owned.emplace_back(std::move(normalized));
    }
    normalized_pieces.push_back(piece);
    if (spans != nullptr) typed.push_back(std::move(*spans));
  }
  text.pieces = std::move(normalized_pieces);
  text.typed = std::move(typed);
  return {};
}

Status Tokenizer::Impl::cut(std::string_view text, std::span<const TextSpan> typed,
                            TextPieces& pieces) const {
  if (text.size() > kMaxTextBytes) {
    return make_error(StatusCode::kInvalidArgument, "a text of {} bytes: expected at most {}",
                      text.size(), kMaxTextBytes);
  }
  if (const size_t at = find_invalid_utf8(text); at != std::string_view::npos) {
    return make_error(StatusCode::kInvalidArgument,
                      "the text is not valid UTF-8 at byte {} (0x{:02X})", at,
                      static_cast<uint8_t>(text[at]));
  }
  push_text(pieces.pieces, text);
  if (!typed.empty()) pieces.typed.assign(pieces.pieces.size(), {typed.begin(), typed.end()});
  BITNETC_RETURN_IF_ERROR(raw_matcher.cut(pieces));
  BITNETC_RETURN_IF_ERROR(normalize(pieces));
  BITNETC_RETURN_IF_ERROR(normalized_matcher.cut(pieces));
  pieces.typed.clear();
  for (const auto& step : pre_tokenizer.steps) BITNETC_RETURN_IF_ERROR(step->apply(pieces));
  return {};
}

Status Tokenizer::Impl::encode(const TextPieces& pieces, std::vector<int32_t>& ids) const {
  BpeScratch scratch;
  for (const TextPiece& piece : pieces.pieces) {
    if (piece.is_token()) {
      ids.push_back(piece.token);
    } else {
      BITNETC_RETURN_IF_ERROR(model->encode(piece.text, scratch, ids));
    }
  }
  return {};
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

Result<std::unique_ptr<const Tokenizer>> Tokenizer::from_json(std::string_view json,
                                                              const std::string& origin,
                                                              std::vector<std::string>* notes) {
  auto impl = std::make_unique<Impl>();
  std::vector<std::string> own_notes;
  const Status status = impl->read(json, &own_notes);
  if (!status.ok()) return Status(status.code(), printable(status.message())).with_context(origin);
  if (notes != nullptr)
    for (const std::string& note : own_notes)
      notes->push_back(fmt::format("{}: {}", origin, printable(note)));
  return std::unique_ptr<const Tokenizer>(new Tokenizer(std::move(impl)));
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, bool add_special) const {
  TextPieces pieces;
  BITNETC_RETURN_IF_ERROR(impl_->cut(text, {}, pieces));
  std::vector<int32_t> ids;
  if (add_special) ids = impl_->frame.before;
  BITNETC_RETURN_IF_ERROR(impl_->encode(pieces, ids));
  if (add_special) ids.insert(ids.end(), impl_->frame.behind.begin(), impl_->frame.behind.end());
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::encode_typed(std::string_view text,
                                                     std::span<const TextSpan> typed,
                                                     bool add_special) const {
  TextPieces pieces;
  BITNETC_RETURN_IF_ERROR(impl_->cut(text, typed, pieces));
  std::vector<int32_t> ids;
  if (add_special) ids = impl_->frame.before;
  TextPieces one;
  for (const TextPiece& piece : pieces.pieces) {
    const size_t first = ids.size();
    one.pieces.assign(1, piece);
    BITNETC_RETURN_IF_ERROR(impl_->encode(one, ids));
    if (piece.is_token()) continue;
    const auto special =
        std::find_if(ids.begin() + static_cast<ptrdiff_t>(first), ids.end(),
                     [&](int32_t id) { return is_special(id) && id != impl_->model->unk_id(); });
    if (special != ids.end())
      return make_error(StatusCode::kInvalidArgument,
                        "a text that was typed becomes the special token {} (id {})",
                        printable(token_text(*special).value_or("?")), *special);
  }
  if (add_special) ids.insert(ids.end(), impl_->frame.behind.begin(), impl_->frame.behind.end());
  return ids;
}

std::span<const int32_t> Tokenizer::prefix() const {
  return impl_->frame.before;
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  const TokenDecoding& decoding = *impl_->decoding;
  DecodeState state = decoding.start();
  std::string text;
  for (const int32_t id : ids) {
    if (!decoding.is_known(id)) {
      return make_error(StatusCode::kInvalidArgument,
                        "token id {} is not in the vocabulary, whose ids end before {}", id,
                        vocab_size());
    }
    if (!skip_special || !decoding.is_special(id)) decoding.decode(id, state, text);
  }
  decoding.finish(state, text);
  return text;
}

int32_t Tokenizer::vocab_size() const {
  return impl_->id_end();
}

std::optional<std::string> Tokenizer::token_text(int32_t id) const {
  const std::optional<std::string_view> text = impl_->text_of(id);
  if (!text) return std::nullopt;
  return std::string(*text);
}

std::optional<int32_t> Tokenizer::token_id(std::string_view text) const {
  if (const auto it = impl_->added_ids.find(std::string(text)); it != impl_->added_ids.end()) {
    return it->second;
  }
  return impl_->document.vocabulary.find(text);
}

bool Tokenizer::is_special(int32_t id) const {
  return impl_->decoding->is_special(id);
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer),
      skip_special_(skip_special),
      state_(tokenizer.impl_->decoding->start()) {}

std::string StreamDecoder::push(int32_t id) {
  const TokenDecoding& decoding = *tokenizer_.impl_->decoding;
  if (!decoding.is_known(id)) return finish().append(kReplacement);
  std::string text;
  if (!skip_special_ || !decoding.is_special(id)) decoding.decode(id, state_, text);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  tokenizer_.impl_->decoding->finish(state_, text);
  return text;
}

}  // namespace bitnetc
