// Cuts the source of a template into tokens, with the white-space rules that transformers sets:
// trim_blocks (the newline behind a block tag goes), lstrip_blocks (blanks before a block tag that
// opens its line go), the signs - and + at a tag, and no final newline.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/jinja/text.h"
#include "runtime/status.h"

namespace bitnetc::jinja {

struct Position {
  int line = 1;
  int column = 1;  // in code points
};

// A failure with its place in the source.
struct LocatedError {
  Position at;
  Status status;
};

enum class TokenKind {
  kText,
  kPrintBegin,
  kPrintEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kReal,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Position at;
  Text text;  // of kText and kString (with its escapes done), and the spelling of the rest
  int64_t integer = 0;
  double real = 0;

  bool is_operator(std::string_view spelling) const;
  bool is_name(std::string_view spelling) const;
  // As a message calls it: "a string", "the end of the template", the spelling in quotes.
  std::string describe() const;
};

// On failure returns false and sets `error`.
bool tokenize(std::string_view source, std::vector<Token>& tokens, LocatedError& error);

}  // namespace bitnetc::jinja
