// The pre-tokenizer: one step after another cuts pieces into smaller ones. Steps are immutable; any
// thread may apply them.
#pragma once

#include <memory>

#include "frontend/tokenizer/text_pattern.h"
#include "frontend/tokenizer/text_pieces.h"
#include "runtime/status.h"

namespace bitnetc {

// What becomes of a match that separates two gaps.
enum class SplitBehavior {
  kIsolated,            // a piece of its own
  kRemoved,             // gone
  kMergedWithPrevious,  // joined to the piece before it
  kMergedWithNext,      // joined to the piece behind it
  kContiguous,          // joined to neighbouring matches
};

class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  // Error: kUnsupported if a regex gives up.
  virtual Status apply(TextPieces& text) const = 0;
};

// `invert` swaps the roles of matches and gaps.
std::unique_ptr<const PreTokenizerStep> make_split(TextPattern pattern, SplitBehavior behavior,
                                                   bool invert);

// Cuts with GPT-2's regex if `use_regex`, then writes every byte as its symbol (byte_symbols.h).
// `add_prefix_space` puts a space in front of every piece that does not start with one.
Result<std::unique_ptr<const PreTokenizerStep>> make_byte_level(bool add_prefix_space,
                                                                bool use_regex);

// Where Metaspace puts a replacement in front.
enum class PrependScheme { kNever, kFirst, kAlways };

// Writes every space as `replacement` (one character) and puts one in front of every piece that
// does not begin with it: of every one, of the one the text begins with, or of none. `splits`: cuts
// before each replacement.
Result<std::unique_ptr<const PreTokenizerStep>> make_metaspace(std::string replacement,
                                                               PrependScheme scheme, bool splits);

// Cuts at punctuation: ASCII's symbols and the categories P*.
Result<std::unique_ptr<const PreTokenizerStep>> make_punctuation(SplitBehavior behavior);

// Cuts at white space, which goes.
Result<std::unique_ptr<const PreTokenizerStep>> make_white_space_split();

// Cuts runs of numeric characters, or every one of them, from the rest.
Result<std::unique_ptr<const PreTokenizerStep>> make_digits(bool individual_digits);

}  // namespace bitnetc
