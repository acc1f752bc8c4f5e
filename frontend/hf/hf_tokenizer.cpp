#include "frontend/hf/hf_tokenizer.h"

#include <bit>
#include <map>

#include "frontend/json/strict_json.h"
#include "frontend/scored_pieces.h"
#include "frontend/source_file.h"
#include "frontend/tokenizer.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

using Json = nlohmann::json;

// Protobuf: seven bits a byte, the least first.
void append_varint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) *out += static_cast<char>(0x80 | (value & 0x7f));
  *out += static_cast<char>(value);
}

// A field of bytes or of a message.
void append_field(int number, std::string_view bytes, std::string* out) {
  constexpr int kLengthDelimited = 2;
  *out += static_cast<char>(number << 3 | kLengthDelimited);
  append_varint(bytes.size(), out);
  *out += bytes;
}

// A ModelProto is a list of pieces (field 1) and more; a piece has a text (1) and a type (3, a
// number). Repeated fields may stand anywhere, so that a piece at the end is the last.
void append_control_piece(std::string_view text, std::string* model) {
  constexpr int kPieces = 1, kText = 1, kType = 3;
  std::string piece;
  append_field(kText, text, &piece);
  piece += static_cast<char>(kType << 3);
  append_varint(static_cast<uint64_t>(PieceType::kControl), &piece);
  append_field(kPieces, piece, model);
}

Result<std::map<int64_t, std::string>> read_added(const MappedFile& file) {
  const std::string origin = printable_path(file.path());
  BITNETC_ASSIGN_OR_RETURN(const Json document, parse_strict_json(text_of(file), origin));
  if (!document.is_object())
    return make_error(StatusCode::kDataCorrupt, "{}: is {}, expected an object of ids by text",
                      origin, json_excerpt(document));
  std::map<int64_t, std::string> tokens;
  for (const auto& [text, id] : document.items()) {
    constexpr uint64_t kMostId = (uint64_t{1} << 24) - 1;
    if (text.empty() || !id.is_number_unsigned() || id.get<uint64_t>() > kMostId)
      return make_error(StatusCode::kDataCorrupt,
                        "{}: \"{}\" has id {}, expected a text that is not empty and an id from 0 "
                        "to {}",
                        origin, printable(text, 60), json_excerpt(id), kMostId);
    const auto [other, is_new] = tokens.emplace(id.get<int64_t>(), text);
    if (!is_new)
      return make_error(StatusCode::kDataCorrupt, "{}: \"{}\" and \"{}\" have one id, {}", origin,
                        printable(other->second, 60), printable(text, 60), other->first);
  }
  return tokens;
}

// Behind the pieces of tokenizer.model, in the order of their ids.
Status add_tokens(const MappedFile& file, HfTokenizer* tokenizer) {
  BITNETC_ASSIGN_OR_RETURN(const auto tokens, read_added(file));
  BITNETC_ASSIGN_OR_RETURN(const auto pieces,
                           Tokenizer::from_file(tokenizer->bytes, tokenizer->origin));
  int64_t next = pieces->vocab_size();
  for (const auto& [id, text] : tokens) {
    const auto piece = pieces->token_id(text);
    if (piece && *piece == id) continue;
    if (piece || id != next)
      return make_error(StatusCode::kDataCorrupt, "{}: \"{}\" has id {}, expected {}{}",
                        printable_path(file.path()), printable(text, 60), id,
                        piece ? int64_t{*piece} : next,
                        piece ? ", as in tokenizer.model" : ", the next behind tokenizer.model");
    append_control_piece(text, &tokenizer->bytes);
    ++next;
  }
  return {};
}

}  // namespace

Result<HfTokenizer> open_hf_tokenizer(const std::string& folder) {
  const auto open = [&](const char* name) { return MappedFile::open(folder + "/" + name); };
  HfTokenizer tokenizer;
  auto file = open("tokenizer.json");
  bool is_model = false;
  if (file.status().code() == StatusCode::kNotFound) {
    // The message of a folder that has neither names the first of the two.
    auto other = open("tokenizer.model");
    is_model = other.status().code() != StatusCode::kNotFound;
    if (is_model) file = std::move(other);
  }
  BITNETC_RETURN_IF_ERROR(file.status());
  tokenizer.bytes = text_of(**file);
  tokenizer.origin = printable_path((*file)->path());
  tokenizer.files.push_back(*file);
  if (tokenizer.bytes.empty())
    return make_error(StatusCode::kDataCorrupt, "{}: is empty", tokenizer.origin);
  if (!is_model) return tokenizer;
  auto added = open("added_tokens.json");
  if (added.status().code() == StatusCode::kNotFound) return tokenizer;
  BITNETC_RETURN_IF_ERROR(added.status());
  BITNETC_RETURN_IF_ERROR(add_tokens(**added, &tokenizer));
  tokenizer.files.push_back(*std::move(added));
  return tokenizer;
}

}  // namespace bitnetc
