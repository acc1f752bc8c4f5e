#include "frontend/tokenizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <utility>

#include "frontend/tokenizer/bpe_model.h"
#include "frontend/tokenizer/components.h"
#include "frontend/tokenizer/sentence_piece_model.h"
#include "frontend/unicode/utf8.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 30;         // positions in a text are 32-bit
constexpr std::string_view kPieceSpace = "\xE2\x96\x81";  // U+2581

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
  std::unique_ptr<const TokenModel> model;
  TokenFrame frame;
  std::optional<TokenDecoding> decoding;

  // A line of `notes` says what is not applied.
  Status read(std::string_view json, std::vector<std::string>* notes);
  Status read_added(const JsonValue* json);
  Status make_matchers();
  Status make_decoding(DecoderPlan plan);
  // Vocabulary, special tokens, frame and decoder; the model is the caller's.
  Status read_pieces(const ScoredPieces& pieces);
  Status add_piece(const ScoredPieces& pieces, int32_t id);
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
  BITNETC_ASSIGN_OR_RETURN(DecoderPlan plan, read_decoder(root.take("decoder")));
  BITNETC_RETURN_IF_ERROR(make_decoding(std::move(plan)));
  BITNETC_RETURN_IF_ERROR(root.finish());
  document.root = {};
  document.merges = {};
  document.scores = {};
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

Status Tokenizer::Impl::make_decoding(DecoderPlan plan) {
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

Status Tokenizer::Impl::add_piece(const ScoredPieces& pieces, int32_t id) {
  const auto at = static_cast<size_t>(id);
  const std::string& text = pieces.texts[at];
  const auto type = static_cast<int32_t>(pieces.types[at]);
  const auto wrong = [&](std::string_view found) {
    return make_error(StatusCode::kDataCorrupt, "piece {} {}", id, found);
  };
  if (text.empty() || find_invalid_utf8(text) != std::string::npos)
    return wrong("is empty or not valid UTF-8");
  if (!std::isfinite(pieces.scores[at])) return wrong("has a score that is not a number");
  if (type < 1 || type > 6)
    return wrong(fmt::format("has type {}, expected 1 (normal) to 6 (byte)", type));
  if (document.vocabulary.insert(text, id) != Vocabulary::Insert::kDone)
    return wrong(fmt::format("\"{}\" is there twice", text));
  const bool is_control = pieces.types[at] == PieceType::kControl;
  if (!is_control && pieces.types[at] != PieceType::kUnknown) return {};
  added_ids.emplace(text, id);
  added.emplace(id, AddedToken{.id = id, .content = text, .special = true});
  return {};
}

Status Tokenizer::Impl::read_pieces(const ScoredPieces& pieces) {
  const size_t count = pieces.texts.size();
  if (count == 0 || pieces.scores.size() != count || pieces.types.size() != count ||
      count > static_cast<size_t>(kMaxTokenId))
    return make_error(StatusCode::kDataCorrupt,
                      "{} pieces, {} scores, {} types: expected as many of each, 1 to {}", count,
                      pieces.scores.size(), pieces.types.size(), kMaxTokenId);
  for (size_t id = 0; id < count; ++id)
    BITNETC_RETURN_IF_ERROR(add_piece(pieces, static_cast<int32_t>(id)));
  if (pieces.begin_id) frame.before = {*pieces.begin_id};
  if (pieces.end_id) frame.behind = {*pieces.end_id};
  BITNETC_RETURN_IF_ERROR(check_frame());
  std::vector<AddedTokenMatcher::Entry> special;
  for (const auto& [id, token] : added) special.push_back({token.content, token});
  BITNETC_ASSIGN_OR_RETURN(raw_matcher, AddedTokenMatcher::create(std::move(special)));

  DecoderPlan plan{.join = DecoderPlan::Join::kByteRuns};
  BITNETC_ASSIGN_OR_RETURN(TextPattern space, TextPattern::literal(std::string(kPieceSpace)));
  plan.per_token.add(ReplaceStep{std::move(space), " "});
  if (pieces.add_space_prefix) {
    plan.strip_content = " ";
    plan.strip_start = 1;
  }
  return make_decoding(std::move(plan));
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
  const std::unique_ptr<ModelScratch> scratch = model->make_scratch();
  for (const TextPiece& piece : pieces.pieces) {
    if (piece.is_token()) {
      ids.push_back(piece.token);
    } else {
      BITNETC_RETURN_IF_ERROR(model->encode(piece.text, *scratch, ids));
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

// A SentencePiece model is a message of protobuf that begins with its first piece, field 1; JSON
// begins with a brace.
bool is_sentence_piece_model(std::string_view bytes) {
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string_view::npos && bytes[first] == '{';
  return !is_json && bytes.starts_with('\n');
}

Result<std::unique_ptr<const Tokenizer>> Tokenizer::from_file(std::string_view bytes,
                                                              const std::string& origin,
                                                              std::vector<std::string>* notes) {
  if (is_sentence_piece_model(bytes)) return from_sentence_piece(bytes, origin);
  return from_json(bytes, origin, notes);
}

Result<std::unique_ptr<const Tokenizer>> Tokenizer::from_pieces(const ScoredPieces& pieces,
                                                                const std::string& origin) {
  auto impl = std::make_unique<Impl>();
  const Status status = impl->read_pieces(pieces);
  if (!status.ok()) return Status(status.code(), printable(status.message())).with_context(origin);
  if (pieces.add_space_prefix) impl->normalizer.add(PrependStep{std::string(kPieceSpace)});
  BITNETC_ASSIGN_OR_RETURN(TextPattern space, TextPattern::literal(" "));
  impl->normalizer.add(ReplaceStep{std::move(space), std::string(kPieceSpace)});

  BpeOptions options{.byte_fallback = true, .fuse_unk = true};
  std::vector<bool> merges_into;
  std::vector<AddedTokenMatcher::Entry> user_defined;
  for (size_t id = 0; id < pieces.types.size(); ++id) {
    merges_into.push_back(pieces.types[id] == PieceType::kNormal);
    if (pieces.types[id] == PieceType::kUnknown) {
      if (options.unk_id)
        return make_error(StatusCode::kDataCorrupt, "{}: pieces {} and {} are both the unknown one",
                          origin, *options.unk_id, id);
      options.unk_id = static_cast<int32_t>(id);
    }
    if (pieces.types[id] == PieceType::kUserDefined)
      user_defined.push_back(
          {pieces.texts[id], {.id = static_cast<int32_t>(id), .content = pieces.texts[id]}});
  }
  BITNETC_ASSIGN_OR_RETURN(impl->normalized_matcher,
                           AddedTokenMatcher::create(std::move(user_defined)));
  impl->model = std::make_unique<BpeModel>(
      BpeModel::create_by_score(impl->document.vocabulary, pieces.scores, merges_into, options));
  return std::unique_ptr<const Tokenizer>(new Tokenizer(std::move(impl)));
}

Result<std::unique_ptr<const Tokenizer>> Tokenizer::from_sentence_piece(std::string_view bytes,
                                                                        const std::string& origin) {
  auto model = SentencePieceModel::create(bytes);
  if (!model.ok())
    return Status(model.status().code(), printable(model.status().message())).with_context(origin);
  auto impl = std::make_unique<Impl>();
  ScoredPieces pieces = (*model)->pieces();
  pieces.end_id.reset();
  const Status status = impl->read_pieces(pieces);
  if (!status.ok()) return Status(status.code(), printable(status.message())).with_context(origin);
  impl->model = *std::move(model);
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

std::span<const int32_t> Tokenizer::suffix() const {
  return impl_->frame.behind;
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

Result<std::vector<std::string>> Tokenizer::token_bytes(bool as_first) const {
  return impl_->decoding->token_bytes(as_first);
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer),
      skip_special_(skip_special),
      state_(tokenizer.impl_->decoding->start()) {}

std::string StreamDecoder::push(int32_t id) {
  const TokenDecoding& decoding = *tokenizer_.impl_->decoding;
  if (!decoding.is_known(id)) return finish().append(kReplacementCharacter);
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
