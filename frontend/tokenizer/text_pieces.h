// A text on its way to becoming ids: pieces that are already a token, and pieces still to be split
// further. Splitting only moves views; a step that rewrites text keeps the new text in `owned`.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer.h"

namespace bitnetc {

struct TextPiece {
  std::string_view text;
  int32_t token = -1;  // >= 0: an added token; the text has been dealt with

  bool is_token() const { return token >= 0; }
};

struct TextPieces {
  std::vector<TextPiece> pieces;
  std::deque<std::string> owned;  // a deque: views into its strings survive further pushes
  // By piece, what of its text somebody typed (Tokenizer::encode_typed); empty: nobody asks. Kept
  // up to the last step that cuts added tokens.
  std::vector<std::vector<TextSpan>> typed;
};

// Empty pieces vanish, as they do between the steps of Hugging Face's pipeline.
inline void push_text(std::vector<TextPiece>& pieces, std::string_view text) {
  if (!text.empty()) pieces.push_back({text});
}

}  // namespace bitnetc
