#include "frontend/token_trie.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "frontend/grammar/character_set.h"
#include "frontend/tokenizer.h"
#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

bool is_plain_text(std::string_view text) {
  size_t characters = 0;
  while (!text.empty()) {
    const Utf8Unit unit = first_utf8_unit(text);
    if (unit.kind != Utf8Kind::kValid || ++characters > TokenTrie::kMostPlain ||
        !grammar::plain_characters().contains(unit.code_point))
      return false;
    text.remove_prefix(unit.length_bytes);
  }
  return characters > 0;
}

}  // namespace

// In the order of their texts, ids that have a prefix in common stand side by side.
TokenTrie::Tree::Tree(const std::vector<std::string>& texts) {
  for (size_t id = 0; id < texts.size(); ++id)
    if (!texts[id].empty() && texts[id].size() <= std::numeric_limits<uint16_t>::max())
      ids_.push_back(static_cast<int32_t>(id));
  const auto text_of = [&](int32_t id) -> const std::string& {
    return texts[static_cast<size_t>(id)];
  };
  std::ranges::stable_sort(ids_, [&](int32_t a, int32_t b) { return text_of(a) < text_of(b); });
  std::vector<uint32_t> way;  // nodes from the root to the last one
  const auto close_to = [&](size_t depth) {
    for (; way.size() > depth; way.pop_back())
      nodes_[way.back()].end = static_cast<uint32_t>(nodes_.size());
  };
  for (size_t i = 0; i < ids_.size(); ++i) {
    const std::string& text = text_of(ids_[i]);
    size_t common = 0;
    while (common < way.size() && common < text.size() &&
           nodes_[way[common]].byte == static_cast<uint8_t>(text[common]))
      ++common;
    close_to(common);
    for (size_t depth = common; depth < text.size(); ++depth) {
      way.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.byte = static_cast<uint8_t>(text[depth]),
                        .depth = static_cast<uint16_t>(depth + 1),
                        .first_id = static_cast<uint32_t>(i)});
    }
    ++nodes_[way.back()].ids;
  }
  close_to(0);
}

TokenTrie::TokenTrie(std::vector<std::string> texts) : texts_(std::move(texts)), later_(texts_) {
  plain_ids_.assign((texts_.size() + 63) / 64, 0);
  std::vector<std::string> others = texts_;
  for (size_t id = 0; id < texts_.size(); ++id) {
    if (!is_plain_text(texts_[id])) continue;
    plain_ids_[id / 64] |= uint64_t{1} << id % 64;
    others[id].clear();
  }
  other_ = std::make_unique<const Tree>(others);
}

Result<TokenTrie::Ptr> TokenTrie::create(const Tokenizer& tokenizer) {
  BITNETC_ASSIGN_OR_RETURN(std::vector<std::string> texts, tokenizer.token_bytes(false));
  BITNETC_ASSIGN_OR_RETURN(std::vector<std::string> first, tokenizer.token_bytes(true));
  auto trie = std::make_shared<TokenTrie>(std::move(texts));
  if (first != trie->texts_) {
    trie->first_texts_ = std::move(first);
    trie->first_ = std::make_unique<const Tree>(trie->first_texts_);
  }
  return TokenTrie::Ptr(std::move(trie));
}

std::string_view TokenTrie::text(int32_t id, bool as_first) const {
  if (id < 0 || id >= id_end()) return {};
  return (as_first && first_ ? first_texts_ : texts_)[static_cast<size_t>(id)];
}

}  // namespace bitnetc
