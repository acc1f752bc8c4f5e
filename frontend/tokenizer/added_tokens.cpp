#include "frontend/tokenizer/added_tokens.h"

#include <algorithm>

#include "frontend/tokenizer/utf8.h"

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
  std::vector<Entry>& sorted = matcher.entries_;
  std::sort(sorted.begin(), sorted.end(),
            [](const Entry& a, const Entry& b) { return a.text < b.text; });
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i].text == sorted[i - 1].text) {
      return make_error(StatusCode::kDataCorrupt,
                        "added_tokens: ids {} and {} are both found as \"{}\"",
                        sorted[i - 1].token.id, sorted[i].token.id, sorted[i].text);
    }
    EntryRange& range = matcher.by_first_byte_[byte_at(sorted[i].text, 0)];
    if (range.end == 0) range.begin = i;
    range.end = i + 1;
    if (sorted[i].token.single_word && !matcher.word_regex_) {
      BITNETC_ASSIGN_OR_RETURN(matcher.word_regex_, TokenizerRegex::compile(kWordRegex));
    }
  }
  return matcher;
}

// The longest entry that `text` starts with. `range` always holds the entries that share the first
// `length` bytes with the text; the shortest of them comes first.
const AddedTokenMatcher::Entry* AddedTokenMatcher::longest_at(std::string_view text) const {
  EntryRange range = by_first_byte_[byte_at(text, 0)];
  const Entry* longest = nullptr;
  for (size_t length = 1; range.begin != range.end; ++length) {
    if (entries_[range.begin].text.size() == length) longest = &entries_[range.begin++];
    if (length == text.size()) break;
    const auto begin = entries_.begin() + static_cast<ptrdiff_t>(range.begin);
    const auto end = entries_.begin() + static_cast<ptrdiff_t>(range.end);
    const uint8_t next = byte_at(text, length);
    const auto low = std::partition_point(
        begin, end, [&](const Entry& entry) { return byte_at(entry.text, length) < next; });
    const auto high = std::partition_point(
        low, end, [&](const Entry& entry) { return byte_at(entry.text, length) == next; });
    range = {static_cast<size_t>(low - entries_.begin()),
             static_cast<size_t>(high - entries_.begin())};
  }
  return longest;
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

// `done` is the end of the last token, white space it swallowed included. A token made of white space
// behind one that swallows it is still found, as in Hugging Face's implementation.
Status AddedTokenMatcher::cut_piece(std::string_view text, std::vector<TextPiece>& pieces) const {
  std::optional<RegexSearch> word;
  if (word_regex_) word.emplace(*word_regex_);
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const Entry* entry =
        by_first_byte_[byte_at(text, at)].end == 0 ? nullptr : longest_at(text.substr(at));
    if (entry == nullptr) {
      ++at;
      continue;
    }
    TextRange range = {at, at + entry->text.size()};
    at = range.end;
    if (entry->token.single_word) {
      BITNETC_ASSIGN_OR_RETURN(const bool touches, touches_word(text, range, *word));
      if (touches) continue;
    }
    if (entry->token.lstrip && done <= range.begin) {
      range.begin = done + trailing_space_begin(text.substr(done, range.begin - done));
    }
    if (entry->token.rstrip) {
      range.end = std::max(done, range.end);
      range.end += leading_space_bytes(text.substr(range.end));
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
  for (const TextPiece& piece : text.pieces) {
    if (piece.is_token()) {
      cut.push_back(piece);
    } else {
      BITNETC_RETURN_IF_ERROR(cut_piece(piece.text, cut));
    }
  }
  text.pieces = std::move(cut);
  return {};
}

}  // namespace bitnetc
