#include "frontend/tokenizer/added_tokens.h"

#include <algorithm>
#include <iterator>
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

// The parts of `typed`, which are of `whole`, that lie in its piece `part`, counted from there.
std::vector<TextSpan> typed_within(const TextPiece& whole, std::span<const TextSpan> typed,
                                   const TextPiece& part) {
  const auto begin = static_cast<size_t>(part.text.data() - whole.text.data());
  const size_t end = begin + part.text.size();
  std::vector<TextSpan> within;
  auto it = std::partition_point(typed.begin(), typed.end(),
                                 [&](const TextSpan& span) { return span.end <= begin; });
  for (; it != typed.end() && it->begin < end; ++it)
    within.push_back({std::max(it->begin, begin) - begin, std::min(it->end, end) - begin});
  return within;
}

}  // namespace

Result<AddedTokenMatcher> AddedTokenMatcher::create(std::vector<Entry> entries) {
  AddedTokenMatcher matcher;
  matcher.entries_ = std::move(entries);
  std::map<std::string_view, int32_t> ids;
  std::vector<std::string_view> texts;
  std::vector<std::string_view> ordinary_texts;
  size_t bytes = 0;
  for (const Entry& entry : matcher.entries_) {
    const auto [twin, is_new] = ids.emplace(entry.text, entry.token.id);
    if (!is_new) {
      return make_error(StatusCode::kDataCorrupt,
                        "added_tokens: ids {} and {} are both found as \"{}\"", twin->second,
                        entry.token.id, entry.text);
    }
    if (!entry.token.special) {
      matcher.ordinary_.push_back(static_cast<uint32_t>(texts.size()));
      ordinary_texts.push_back(entry.text);
    }
    matcher.has_special_ |= entry.token.special;
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
  if (matcher.has_special_) matcher.ordinary_patterns_ = PatternSet(ordinary_texts);
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

void AddedTokenMatcher::find_all(std::string_view text, Matches& matches) const {
  matches.clear();
  patterns_.find_all(text, matches);
}

// Special tokens are looked for in each stretch that nobody typed, the others in the whole text; of
// two that begin at one place the longer one counts. Both lists run from the last place to the
// first.
void AddedTokenMatcher::find_outside(std::string_view text, std::span<const TextSpan> typed,
                                     Matches& matches) const {
  Matches outside;
  size_t end = text.size();
  for (size_t i = typed.size() + 1; i-- > 0;) {
    const size_t begin = i == 0 ? 0 : typed[i - 1].end;
    const size_t first = outside.size();
    patterns_.find_all(text.substr(begin, end - begin), outside);
    for (size_t at = first; at < outside.size(); ++at)
      outside[at].begin += static_cast<uint32_t>(begin);
    if (i > 0) end = typed[i - 1].begin;
  }
  Matches everywhere;
  ordinary_patterns_.find_all(text, everywhere);
  for (PatternSet::Match& match : everywhere) match.pattern = ordinary_[match.pattern];

  const auto comes_first = [&](const PatternSet::Match& a, const PatternSet::Match& b) {
    if (a.begin != b.begin) return a.begin > b.begin;
    return entries_[a.pattern].text.size() > entries_[b.pattern].text.size();
  };
  matches.clear();
  std::merge(outside.begin(), outside.end(), everywhere.begin(), everywhere.end(),
             std::back_inserter(matches), comes_first);
  const auto at_same_place = [](const auto& a, const auto& b) { return a.begin == b.begin; };
  matches.erase(std::unique(matches.begin(), matches.end(), at_same_place), matches.end());
}

// `done` is the end of the last token, white space it swallowed included. A token made of white
// space behind one that swallows it is still found, as in Hugging Face's implementation.
Status AddedTokenMatcher::cut_piece(std::string_view text, Matches& matches,
                                    std::vector<TextPiece>& pieces) const {
  std::optional<RegexSearch> word;
  if (word_regex_) word.emplace(*word_regex_);
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
  const bool knows_typed = !text.typed.empty();
  std::vector<TextPiece> cut;
  std::vector<std::vector<TextSpan>> cut_typed;
  Matches matches;
  for (size_t i = 0; i < text.pieces.size(); ++i) {
    const TextPiece& piece = text.pieces[i];
    const size_t first = cut.size();
    if (piece.is_token()) {
      cut.push_back(piece);
    } else {
      if (has_special_ && knows_typed && !text.typed[i].empty()) {
        find_outside(piece.text, text.typed[i], matches);
      } else {
        find_all(piece.text, matches);
      }
      BITNETC_RETURN_IF_ERROR(cut_piece(piece.text, matches, cut));
    }
    if (!knows_typed) continue;
    for (size_t at = first; at < cut.size(); ++at)
      cut_typed.push_back(cut[at].is_token() ? std::vector<TextSpan>()
                                             : typed_within(piece, text.typed[i], cut[at]));
  }
  text.pieces = std::move(cut);
  text.typed = std::move(cut_typed);
  return {};
}

}  // namespace bitnetc
