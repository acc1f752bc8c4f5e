// How ids become text: what each token stands for, and how neighbours are put together. Immutable;
// the state of one decoded stream is a DecodeState.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer.h"
#include "frontend/tokenizer/text_normalizer.h"
#include "runtime/status.h"

namespace bitnetc {

// The decoder of a tokenizer.json, brought into the order it must have to work on a stream: steps
// that see one token, then the joining, then a Strip of the whole text.
struct DecoderPlan {
  enum class Join {
    kSpaces,    // no decoder: token texts with a space between them
    kText,      // token texts
    kBytes,     // ByteLevel: bytes of all tokens, repaired where they are not UTF-8
    kByteRuns,  // ByteFallback: a run of <0xHH> tokens is text if it is UTF-8, else a U+FFFD each
  };
  TextNormalizer per_token;
  std::string metaspace;               // one character that stands for a space; empty: none does
  bool first_drops_metaspace = false;  // in the first token it stands for nothing
  Join join = Join::kSpaces;
  std::string strip_content;  // one character
  int32_t strip_start = 0;    // at most so many of them go from the front of the whole text
};

class TokenDecoding {
 public:
  explicit TokenDecoding(DecoderPlan plan) : plan_(std::move(plan)) {}

  // Tells what `id` stands for; ids come in rising order and may leave holes.
  // Error: kUnsupported if a step fails on this token.
  Status add(int32_t id, std::string_view token, bool is_special);

  int32_t id_end() const { return static_cast<int32_t>(entries_.size()); }
  bool is_known(int32_t id) const;
  bool is_special(int32_t id) const;

  DecodeState start() const {
    return {.is_first = true, .strip_left = plan_.strip_start, .pending = {}};
  }
  // Append what is certain after `id` (a known one), or after the last id, to `text`.
  void decode(int32_t id, DecodeState& state, std::string& text) const;
  void finish(DecodeState& state, std::string& text) const;
  // Tokenizer::token_bytes()
  Result<std::vector<std::string>> token_bytes(bool as_first) const;

 private:
  enum class Kind : uint8_t { kHole, kText, kSpecialText, kByte };
  struct Entry {
    uint32_t offset = 0;
    uint32_t length_bytes = 0;
    Kind kind = Kind::kHole;
  };

  void end_byte_run(DecodeState& state, std::string& text) const;
  std::string without_metaspace(std::string_view piece, bool is_first) const;
  void emit(std::string_view piece, DecodeState& state, std::string& text) const;

  DecoderPlan plan_;
  std::string texts_;
  std::vector<Entry> entries_;  // by id
};

}  // namespace bitnetc
