// Tokens as text: how one is spelled, how likely it was, and what of a text may be shown.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "frontend/tokenizer.h"
#include "tools/engine/generate.h"

namespace bitnetc::serve {

struct TopToken {
  int32_t id = 0;
  double logprob = 0;
};

struct TokenEntry {
  int32_t id = 0;
  std::string bytes;              // its part of the text
  std::optional<double> logprob;  // natural; nothing: of the first token, or not asked for
  std::vector<TopToken> top;      // the likeliest, in order
  bool is_text = true;            // not, say, the end of the text
};

// `top` ids by (logit descending, id ascending), and `id`: natural logarithms of the softmax of
// the logits as they are.
TokenEntry score_token(std::span<const float> logits, int32_t id, int top);

// How a token is spelled behind others, special ones too. Bytes that are no character: U+FFFD.
class TokenSpeller {
 public:
  explicit TokenSpeller(const Tokenizer& tokenizer);
  std::string spell(int32_t id) const;

 private:
  const Tokenizer& tokenizer_;
  std::optional<int32_t> anchor_;  // a token that stands in front
};

// A stretch of text that may be shown, and its tokens: their bytes are the text.
struct Piece {
  std::string text;
  std::vector<TokenEntry> entries;
};

// A text as it is written: tokens in, whole characters out, held back while they may begin a stop
// string. A token is held back as long as a byte of it is.
class TextWriter {
 public:
  // Behind `prompt`.
  TextWriter(const Tokenizer& tokenizer, std::span<const int32_t> prompt,
             std::vector<std::string> stops);

  Piece push(TokenEntry entry);
  // A token that is no part of the text, such as end-of-text.
  void push_silent(TokenEntry entry);
  Piece finish();
  const std::string& stop() const { return matcher_.match(); }  // empty: none matched

 private:
  Piece release(std::string text, bool is_last);

  StreamDecoder decoder_;
  StopMatcher matcher_;
  std::deque<TokenEntry> held_;
  size_t released_ = 0;  // bytes of the first held token that are out already
};

}  // namespace bitnetc::serve
