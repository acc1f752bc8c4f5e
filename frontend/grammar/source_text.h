// Reads the source of a grammar character by character, knowing line and column.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc::grammar {

class SourceText {
 public:
  // `what` names the notation in messages. `text` is valid UTF-8 and outlives the reader.
  SourceText(std::string_view what, std::string_view text) : what_(what), text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  size_t offset() const { return at_; }
  std::string_view from(size_t offset) const { return text_.substr(offset, at_ - offset); }
  // The byte `ahead`, 0 behind the end.
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool starts_with(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  bool consume(std::string_view word);
  void skip(size_t bytes) { at_ += bytes; }
  uint32_t take_character();  // not at the end
  // A number of so many hexadecimal digits, of a character that UTF-8 can spell.
  Result<uint32_t> take_hex(int digits);
  // Decimal, at most `most`.
  Result<uint32_t> take_count(uint32_t most);

  // "GBNF, line 3, column 7: ..., found ..." of where it stands, or of `offset`.
  Status error(std::string_view expected) const { return error_at(at_, expected); }
  Status error_at(size_t offset, std::string_view expected) const;
  // Of what begins at `offset` and has no end: the text's end was found.
  Status unclosed(size_t offset, std::string_view expected) const;

 private:
  Status error_with(size_t offset, std::string_view expected, std::string_view found) const;

  std::string_view what_;
  std::string_view text_;
  size_t at_ = 0;
};

// kInvalidArgument with the offset, if a text is not valid UTF-8.
Status check_utf8(std::string_view what, std::string_view text);

inline constexpr int kMostNesting = 100;  // of groups
inline constexpr uint32_t kMostRepetitions = 100'000;

}  // namespace bitnetc::grammar
