// The vocabulary of a SentencePiece-style tokenizer as lists: what a GGUF file of tokenizer model
// "llama" holds. Tokenizer::from_pieces() makes a tokenizer of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bitnetc {

// The numbers of SentencePiece and of tokenizer.ggml.token_type.
enum class PieceType : int32_t {
  kNormal = 1,
  kUnknown = 2,      // stands for what has no piece; one at most
  kControl = 3,      // a special token, like <s>
  kUserDefined = 4,  // found in the text before anything is merged
  kUnused = 5,       // never the outcome of a merge
  kByte = 6,         // <0xHH>
};

// The piece at place i of the three lists, which are of one length, has id i. Texts are valid UTF-8
// and not empty, with U+2581 for a space; scores are numbers, the greater the earlier two pieces
// are merged into one (a vocabulary made from merges has −rank).
struct ScoredPieces {
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<PieceType> types;

  bool add_space_prefix = true;  // a space before every stretch of text between special tokens
  // What encode(add_special) puts before and behind a text.
  std::optional<int32_t> begin_id;
  std::optional<int32_t> end_id;
};

}  // namespace bitnetc
