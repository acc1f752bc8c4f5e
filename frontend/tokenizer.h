// Text to token ids and back, from a Hugging Face tokenizer.json, a SentencePiece tokenizer.model
// or lists of pieces. Immutable once made: any thread may use one; a StreamDecoder belongs to one
// stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/scored_pieces.h"
#include "runtime/status.h"

namespace bitnetc {

// [begin, end) in bytes of a text.
struct TextSpan {
  size_t begin = 0;
  size_t end = 0;

  bool operator==(const TextSpan&) const = default;
};

// Whether the bytes of a tokenizer file are those of a tokenizer.model, not of a tokenizer.json, as
// far as their beginning tells.
bool is_sentence_piece_model(std::string_view bytes);

class Tokenizer {
 public:
  // Parses and checks a whole tokenizer.json. `origin` is used in messages
  // ("model/tokenizer.json"). `notes`, if given, gets a printable line for each block that is valid
  // but not applied: truncation and padding, which transformers too applies only when asked.
  // Error: kDataCorrupt / kUnsupported naming the key and value (an unknown component kind, a merge
  // whose parts are not in the vocabulary, a regex PCRE2 refuses, ...), or saying what the file is
  // instead of JSON.
  static Result<std::unique_ptr<const Tokenizer>> from_json(
      std::string_view json, const std::string& origin, std::vector<std::string>* notes = nullptr);
  // From the bytes of either file that a folder may hold, tokenizer.json or tokenizer.model.
  static Result<std::unique_ptr<const Tokenizer>> from_file(
      std::string_view bytes, const std::string& origin, std::vector<std::string>* notes = nullptr);
  // From lists of pieces, scores and types. `origin` is used in messages ("model.gguf").
  // Error: kDataCorrupt naming the piece: lists of different lengths, a text that is empty, not
  // UTF-8 or there twice, a score that is not a number, two unknown pieces, an id that is none.
  static Result<std::unique_ptr<const Tokenizer>> from_pieces(const ScoredPieces& pieces,
                                                              const std::string& origin);
  // From the bytes of a SentencePiece tokenizer.model, by that library. Begin-of-text is added and
  // end-of-text is not, as transformers does for such models.
  static Result<std::unique_ptr<const Tokenizer>> from_sentence_piece(std::string_view bytes,
                                                                      const std::string& origin);
  ~Tokenizer();

  // `add_special` applies the post-processor's template (for example the leading begin-of-text
  // token). Special tokens written out in the text are recognised. Invalid UTF-8: kInvalidArgument
  // with the offset. Time is at most n log n in the length of the text, whatever the tokenizer,
  // unless its own regular expressions take longer; memory is linear.
  Result<std::vector<int32_t>> encode(std::string_view text, bool add_special = true) const;
  // The same for a text of which some stretches were typed by somebody: `typed` lists them, apart
  // and in order. A special token is recognised only where all of it lies outside of them; spelled
  // inside, or across an edge, it is ordinary text. Added tokens that are not special are found
  // everywhere.
  //   Error  as encode(); kInvalidArgument if typed text would still become a special token, which
  //          a model does whose vocabulary merges the letters of one
  Result<std::vector<int32_t>> encode_typed(std::string_view text, std::span<const TextSpan> typed,
                                            bool add_special) const;
  // What encode() puts before every text: the begin-of-text token, or nothing.
  std::span<const int32_t> prefix() const;
  // What it puts behind every text: an end-of-text token, or nothing.
  std::span<const int32_t> suffix() const;
  // Whole-sequence decode. Bytes that are not valid UTF-8 become U+FFFD. An id outside the
  // vocabulary is an error naming it.
  Result<std::string> decode(std::span<const int32_t> ids, bool skip_special = true) const;

  int32_t vocab_size() const;                               // highest id + 1
  std::optional<std::string> token_text(int32_t id) const;  // as written in the vocabulary
  std::optional<int32_t> token_id(std::string_view text) const;
  bool is_special(int32_t id) const;
  // The bytes that each id adds to a text, as its first token or as a later one: the texts of ids
  // are these bytes one behind the other. Empty: a special token, or no token. Error: kUnsupported
  // if what a token adds depends on more than that.
  Result<std::vector<std::string>> token_bytes(bool as_first) const;

 private:
  friend class StreamDecoder;
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What a StreamDecoder remembers between two tokens.
struct DecodeState {
  bool is_first = true;
  int32_t strip_left = 0;  // leading characters that may still be stripped from the text
  std::string pending;  // bytes of an unfinished character, or of an unfinished run of byte tokens
};

// Decodes token by token. What push() returns is always whole UTF-8 characters; an unfinished one
// waits for the next token. The concatenation of all pushes and finish() equals Tokenizer::decode
// of all the ids. An id outside the vocabulary, which decode() refuses, shows as U+FFFD here.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  std::string push(int32_t id);
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  DecodeState state_;
};

}  // namespace bitnetc
