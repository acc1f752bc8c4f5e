#include "frontend/tokenizer/added_tokens.h"

#include <algorithm>
#include <map>

#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

// A word character as \w of Rust's regex crate has it.
constexpr std::string_view kWordRegex = R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200c}\x{200d}])";

uint8_t byte_at(std::string_view text, size_t at) {
  return static_cast<uint8_t>(text[at]);
}

// The last character of `text`, which is valid UTF-8 and not empty.
std::string_view last_character(std::string_view text) {
  size_t begin = text.size() - 1;
  while ((byte_at(text, begin) & 0xC0) == 0x80) --begin;
  return text.substr(begin);
}

std::string_view first_character(std::string_view text) {
  return text.substr(0, first_utf8_unit(text).length_bytes);
}

bool is_space(std::string_view character) {
  return is_white_space(first_utf8_unit(character).code_point);
}

size_t trailing_space_begin(std::string_view text) {
  while (!text.empty() && is_space(last_character(text))) {
    text.remove_suffix(last_character(text).size());
  }
  return text.size();
}

size_t leading_space_bytes(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && is_space(first_character(text.substr(end)))) {
    end += first_character(text.substr(end)).size();
  }
  return end;
}

}  // namespace

Result<AddedTokenMatcher> AddedTokenMatcher::create(std::vector<Entry> entries) {
  AddedTokenMatcher matcher;
  matcher.entries_ = std::move(entries);
  std::map<std::string_view, int32_t> ids;
  std::vector<std::string_view> texts;
  size_t bytes = 0;
  for (const Entry& entry : matcher.entries_) {
    const auto [twin, is_new] = ids.emplace(entry.text, entry.token.id);
    if (!is_new) {
      return make_error(StatusCode::kDataCorrupt,
                        "added_tokens: ids {} and {} are both found as \"{}\"", twin->second,
                        entry.token.id, entry.text);
    }
    texts.push_back(entry.text);
    bytes += entry.text.size();
    if (entry.token.single_word && !matcher.word_regex_) {
      BITNETC_ASSIGN_OR_RETURN(matcher.word_regex_, TokenizerRegex::compile(kWordRegex));
    }
  }
  if (bytes > PatternSet::kMaxPatternBytes) {
    return make_error(StatusCode::kUnsupported,
                      "added_tokens: texts of {} bytes in all: expected at most {}", bytes,
                      PatternSet::kMaxPatternBytes);
  }
  matcher.patterns_ = PatternSet(texts);
  return matcher;
}

Result<bool> AddedTokenMatcher::touches_word(std::string_view text, TextRange range,
                                             RegexSearch& word) const {
  std::vector<TextRange> found;
  if (range.begin > 0) {
    BITNETC_RETURN_IF_ERROR(word.find_all(last_character(text.substr(0, range.begin)), found));
    if (!found.empty()) return true;
  }
  if (range.end < text.size()) {
    BITNETC_RETURN_IF_ERROR(word.find_all(first_character(text.substr(range.end)), found));
  }
  return range.end < text.size() && !found.empty();
}

// `done` is the end of the last token, white space it swallowed included. A token made of white
// space behind one that swallows it is still found, as in Hugging Face's implementation.
Status AddedTokenMatcher::cut_piece(std::string_view text, std::vector<PatternSet::Match>& matches,
                                    std::vector<TextPiece>& pieces) const {
  std::optional<RegexSearch> word;
  if (word_regex_) word.emplace(*word_regex_);
  matches.clear();
  patterns_.find_all(text, matches);
  size_t done = 0;
  size_t at = 0;         // the end of the last match
  size_t space_end = 0;  // of the last white space that was swallowed; no run is measured twice
  for (; !matches.empty(); matches.pop_back()) {
    const PatternSet::Match& match = matches.back();  // the leftmost of the rest
    if (match.begin < at) continue;
    const Entry* entry = &entries_[match.pattern];
    TextRange range = {match.begin, match.begin + entry->text.size()};
    at = range.end;
    if (entry->token.single_word) {
      BITNETC_ASSIGN_OR_RETURN(const bool touches, touches_word(text, range, *word));
      if (touches) continue;
    }
    if (entry->token.lstrip && done <= range.begin) {
      range.begin = done + trailing_space_begin(text.substr(done, range.begin - done));
    }
    if (entry->token.rstrip) {
      if (space_end < range.end)
        space_end = range.end + leading_space_bytes(text.substr(range.end));
      range.end = space_end;
    }
    if (done < range.begin) pieces.push_back({text.substr(done, range.begin - done)});
    pieces.push_back({{}, entry->token.id});
    done = range.end;
  }
  push_text(pieces, text.substr(done));
  return {};
}

Status AddedTokenMatcher::cut(TextPieces& text) const {
  if (entries_.empty()) return {};
  std::vector<TextPiece> cut;
  std::vector<PatternSet::Match> matches;
  for (const TextPiece& piece : text.pieces) {
    if (piece.is_token()) {
      cut.push_back(piece);
    } else {
      BITNETC_RETURN_IF_ERROR(cut_piece(piece.text, matches, cut));
    }
  }
  text.pieces = std::move(cut);
  return {};
}

}  // namespace bitnetc
