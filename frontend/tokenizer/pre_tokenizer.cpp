#include "frontend/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <optional>

#include "frontend/tokenizer/byte_symbols.h"

namespace bitnetc {
namespace {

constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A stretch of a text; the stretches of one text cover it from left to right.
struct Stretch {
  TextRange range;
  bool is_match;
};

void find_stretches(const std::vector<TextRange>& matches, size_t text_bytes, bool invert,
                    std::vector<Stretch>& stretches) {
  stretches.clear();
  size_t covered = 0;
  for (const TextRange& match : matches) {
    if (covered != match.begin) stretches.push_back({{covered, match.begin}, invert});
    stretches.push_back({match, !invert});
    covered = match.end;
  }
  if (covered != text_bytes) stretches.push_back({{covered, text_bytes}, invert});
}

// Joins neighbours in place. `joins` says whether a stretch joins the piece before it, given
// whether the stretch right before it was a match; before the first one there was none.
template <typename Joins>
void join_stretches(std::vector<Stretch>& stretches, Joins joins) {
  size_t kept = 0;
  bool was_match = false;
  for (const Stretch& stretch : stretches) {
    const Stretch current = stretch;
    if (kept > 0 && joins(current.is_match, was_match)) {
      TextRange& last = stretches[kept - 1].range;
      last = {std::min(last.begin, current.range.begin), std::max(last.end, current.range.end)};
    } else {
      stretches[kept++] = current;
    }
    was_match = current.is_match;
  }
  stretches.resize(kept);
}

void apply_behavior(SplitBehavior behavior, std::vector<Stretch>& stretches) {
  const auto joins_before = [](bool is_match, bool was_match) { return is_match && !was_match; };
  switch (behavior) {
    case SplitBehavior::kIsolated: return;
    case SplitBehavior::kRemoved:
      std::erase_if(stretches, [](const Stretch& stretch) { return stretch.is_match; });
      return;
    case SplitBehavior::kContiguous:
      join_stretches(stretches,
                     [](bool is_match, bool was_match) { return is_match == was_match; });
      return;
    case SplitBehavior::kMergedWithPrevious: join_stretches(stretches, joins_before); return;
    case SplitBehavior::kMergedWithNext:
      std::reverse(stretches.begin(), stretches.end());
      join_stretches(stretches, joins_before);
      std::reverse(stretches.begin(), stretches.end());
      return;
  }
}

class SplitStep final : public PreTokenizerStep {
 public:
  SplitStep(TextPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  Status apply(TextPieces& text) const override {
    TextSearch search(pattern_);
    std::vector<TextRange> matches;
    std::vector<Stretch> stretches;
    std::vector<TextPiece> cut;
    cut.reserve(text.pieces.size());
    for (const TextPiece& piece : text.pieces) {
      if (piece.is_token()) {
        cut.push_back(piece);
        continue;
      }
      BITNETC_RETURN_IF_ERROR(search.find_all(piece.text, matches));
      find_stretches(matches, piece.text.size(), invert_, stretches);
      apply_behavior(behavior_, stretches);
      for (const auto& [range, is_match] : stretches) {
        push_text(cut, piece.text.substr(range.begin, range.end - range.begin));
      }
    }
    text.pieces = std::move(cut);
    return {};
  }

 private:
  TextPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class ByteLevelStep final : public PreTokenizerStep {
 public:
  ByteLevelStep(bool add_prefix_space, std::unique_ptr<const PreTokenizerStep> regex_split)
      : add_prefix_space_(add_prefix_space), regex_split_(std::move(regex_split)) {}

  Status apply(TextPieces& text) const override {
    if (add_prefix_space_) prefix_spaces(text);
    if (regex_split_) BITNETC_RETURN_IF_ERROR(regex_split_->apply(text));
    size_t total_bytes = 0;
    for (const TextPiece& piece : text.pieces) total_bytes += piece.text.size();
    std::string& symbols = text.owned.emplace_back();
    symbols.reserve(2 * total_bytes);  // enough: the views taken below must not move
    for (TextPiece& piece : text.pieces) {
      if (piece.is_token()) continue;
      const size_t begin = symbols.size();
      append_byte_symbols(piece.text, symbols);
      piece.text = std::string_view(symbols).substr(begin);
    }
    return {};
  }

 private:
  static void prefix_spaces(TextPieces& text) {
    for (TextPiece& piece : text.pieces) {
      if (piece.is_token() || piece.text.starts_with(' ')) continue;
      piece.text = text.owned.emplace_back(" ").append(piece.text);
    }
  }

  bool add_prefix_space_;
  std::unique_ptr<const PreTokenizerStep> regex_split_;  // null: no splitting
};

class MetaspaceStep final : public PreTokenizerStep {
 public:
  MetaspaceStep(std::string replacement, PrependScheme scheme,
                std::unique_ptr<const PreTokenizerStep> split)
      : replacement_(std::move(replacement)), scheme_(scheme), split_(std::move(split)) {}

  Status apply(TextPieces& text) const override {
    for (size_t i = 0; i < text.pieces.size(); ++i) {
      TextPiece& piece = text.pieces[i];
      if (piece.is_token()) continue;
      std::string& written = text.owned.emplace_back();
      written.reserve(piece.text.size() + replacement_.size());
      for (const char c : piece.text) {
        if (c == ' ') {
          written += replacement_;
        } else {
          written += c;
        }
      }
      const bool prepends =
          scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && i == 0);
      if (prepends && !written.starts_with(replacement_)) written.insert(0, replacement_);
      piece.text = written;
    }
    return split_ ? split_->apply(text) : Status();
  }

 private:
  std::string replacement_;
  PrependScheme scheme_;
  std::unique_ptr<const PreTokenizerStep> split_;  // null: no splitting
};

}  // namespace

std::unique_ptr<const PreTokenizerStep> make_split(TextPattern pattern, SplitBehavior behavior,
                                                   bool invert) {
  return std::make_unique<SplitStep>(std::move(pattern), behavior, invert);
}

Result<std::unique_ptr<const PreTokenizerStep>> make_byte_level(bool add_prefix_space,
                                                                bool use_regex) {
  std::unique_ptr<const PreTokenizerStep> regex_split;
  if (use_regex) {
    BITNETC_ASSIGN_OR_RETURN(TextPattern pattern, TextPattern::regex(kGpt2Regex));
    regex_split = make_split(std::move(pattern), SplitBehavior::kIsolated, false);
  }
  return std::unique_ptr<const PreTokenizerStep>(
      std::make_unique<ByteLevelStep>(add_prefix_space, std::move(regex_split)));
}

Result<std::unique_ptr<const PreTokenizerStep>> make_metaspace(std::string replacement,
                                                               PrependScheme scheme, bool splits) {
  std::unique_ptr<const PreTokenizerStep> split;
  if (splits) {
    BITNETC_ASSIGN_OR_RETURN(TextPattern pattern, TextPattern::literal(replacement));
    split = make_split(std::move(pattern), SplitBehavior::kMergedWithNext, false);
  }
  return std::unique_ptr<const PreTokenizerStep>(
      std::make_unique<MetaspaceStep>(std::move(replacement), scheme, std::move(split)));
}

Result<std::unique_ptr<const PreTokenizerStep>> make_punctuation(SplitBehavior behavior) {
  // ASCII's symbols beside its punctuation: $ + < = > ^ ` | ~
  BITNETC_ASSIGN_OR_RETURN(TextPattern pattern,
                           TextPattern::regex(R"(\p{P}|\$|\+|<|=|>|\^|`|\||~)"));
  return make_split(std::move(pattern), behavior, false);
}

Result<std::unique_ptr<const PreTokenizerStep>> make_white_space_split() {
  BITNETC_ASSIGN_OR_RETURN(TextPattern pattern, TextPattern::regex(R"(\s)"));
  return make_split(std::move(pattern), SplitBehavior::kRemoved, false);
}

Result<std::unique_ptr<const PreTokenizerStep>> make_digits(bool individual_digits) {
  BITNETC_ASSIGN_OR_RETURN(TextPattern pattern, TextPattern::regex(R"(\p{N})"));
  return make_split(std::move(pattern),
                    individual_digits ? SplitBehavior::kIsolated : SplitBehavior::kContiguous,
                    false);
}

}  // namespace bitnetc
