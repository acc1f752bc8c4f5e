// The added tokens of a tokenizer: texts that are cut out of the input before anything else happens.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer/text_pieces.h"
#include "frontend/tokenizer/tokenizer_regex.h"
#include "runtime/status.h"

namespace bitnetc {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // swallows the white space before it
  bool rstrip = false;       // swallows the white space behind it
  bool normalized = false;   // looked for in the normalised text, else in the raw text
  bool special = false;      // left out by decode(skip_special)
};

// Finds a set of added tokens, leftmost first and of those the longest. Immutable.
class AddedTokenMatcher {
 public:
  struct Entry {
    std::string text;  // what to look for: the content, or its normalised form
    AddedToken token;
  };

  // Error: kDataCorrupt if two entries look for the same text.
  static Result<AddedTokenMatcher> create(std::vector<Entry> entries);

  // Cuts every piece that is not a token yet.
  // Time: linear in the text times the length of the longest entry, in the worst case.
  Status cut(TextPieces& text) const;

 private:
  struct EntryRange {
    size_t begin = 0;
    size_t end = 0;
  };

  Status cut_piece(std::string_view text, std::vector<TextPiece>& pieces) const;
  const Entry* longest_at(std::string_view text) const;
  Result<bool> touches_word(std::string_view text, TextRange range, RegexSearch& word) const;

  std::vector<Entry> entries_;  // sorted by text
  std::array<EntryRange, 256> by_first_byte_;
  std::optional<TokenizerRegex> word_regex_;  // set if an entry is single_word
};

}  // namespace bitnetc
