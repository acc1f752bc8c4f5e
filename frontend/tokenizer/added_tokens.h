// The added tokens of a tokenizer: texts that are cut out of the input before anything else
// happens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer/pattern_set.h"
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

// Finds a set of added tokens: the leftmost match, of those that begin there the longest, and on
// from its end. Immutable.
class AddedTokenMatcher {
 public:
  struct Entry {
    std::string text;  // what to look for: the content, or its normalised form
    AddedToken token;
  };

  // Error: kDataCorrupt if two entries look for the same text; kUnsupported for more than
  // PatternSet::kMaxPatternBytes of texts.
  static Result<AddedTokenMatcher> create(std::vector<Entry> entries);

  // Cuts every piece that is not a token yet. Where it is known what was typed, a special token is
  // found only outside of that. Time and memory are linear in the text.
  Status cut(TextPieces& text) const;

  bool has_special() const { return has_special_; }

 private:
  // Where a token could begin, last place first; `pattern` is an index into entries_.
  using Matches = std::vector<PatternSet::Match>;
  void find_all(std::string_view text, Matches& matches) const;
  void find_outside(std::string_view text, std::span<const TextSpan> typed, Matches& matches) const;
  // Appends the pieces of a text whose matches are given; uses them up.
  Status cut_piece(std::string_view text, Matches& matches, std::vector<TextPiece>& pieces) const;
  Result<bool> touches_word(std::string_view text, TextRange range, RegexSearch& word) const;

  std::vector<Entry> entries_;
  PatternSet patterns_;             // the texts of the entries
  PatternSet ordinary_patterns_;    // of those that are not special
  std::vector<uint32_t> ordinary_;  // their places among the entries
  bool has_special_ = false;
  std::optional<TokenizerRegex> word_regex_;  // set if an entry is single_word
};

}  // namespace bitnetc
