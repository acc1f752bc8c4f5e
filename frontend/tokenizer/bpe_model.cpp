#include "frontend/tokenizer/bpe_model.h"

#include <algorithm>
#include <bit>

#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

// Up to here, looking through all pairs for each merge is cheaper than keeping a heap.
constexpr size_t kShortPiece = 32;

uint64_t pack_pair(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

BpeMergeTable::BpeMergeTable(size_t pair_count)
    : slots_(std::bit_ceil(std::max<size_t>(2, pair_count + pair_count / 2))),
      shift_(64 - std::countr_zero(slots_.size())) {}

// The slot of `pair`, or the free one where it belongs. The multiplier is 2^64 divided by the
// golden ratio; the high bits of the product choose the slot.
size_t BpeMergeTable::slot_of(uint64_t pair) const {
  size_t at = (pair * 0x9E3779B97F4A7C15u) >> shift_;
  while (slots_[at].pair != pair && slots_[at].pair != UINT64_MAX) {
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

void BpeMergeTable::set(int32_t left, int32_t right, BpeMerge merge) {
  const uint64_t pair = pack_pair(left, right);
  slots_[slot_of(pair)] = {pair, merge};
}

BpeMerge BpeMergeTable::find(int32_t left, int32_t right) const {
  return slots_[slot_of(pack_pair(left, right))].merge;
}

size_t BpePairSet::slot_of(uint64_t pair) const {
  size_t at = (pair * 0x9E3779B97F4A7C15u) >> shift_;
  while (slots_[at] != pair && slots_[at] != kFree) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void BpePairSet::grow() {
  std::vector<uint64_t> old(slots_.size() * 2, kFree);
  old.swap(slots_);
  --shift_;
  for (const uint64_t pair : old)
    if (pair != kFree) slots_[slot_of(pair)] = pair;
}

void BpePairSet::insert(int32_t left, int32_t right) {
  if (left < 0 || right < 0) return;
  if (count_ * 2 >= slots_.size()) grow();
  uint64_t& slot = slots_[slot_of(pack_pair(left, right))];
  count_ += slot == kFree ? 1 : 0;
  slot = pack_pair(left, right);
}

bool BpePairSet::contains(int32_t left, int32_t right) const {
  return slots_[slot_of(pack_pair(left, right))] != kFree;
}

BpeModel::BpeModel(const Vocabulary& vocabulary, size_t merge_count, const BpeOptions& options)
    : vocabulary_(&vocabulary), options_(options), table_(merge_count) {
  for (uint32_t code_point = 0; code_point < low_ids_.size(); ++code_point) {
    std::string character;
    append_utf8(code_point, character);
    low_ids_[code_point] = vocabulary.find(character).value_or(-1);
  }
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    byte_ids_[byte] = vocabulary.find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
}

Result<BpeModel> BpeModel::create(const Vocabulary& vocabulary, const MergeList& merges,
                                  const BpeOptions& options) {
  BpeModel model(vocabulary, merges.size(), options);
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const MergeList::Pair pair = merges[rank];
    joined.assign(pair.left).append(pair.right);
    const auto find = [&](std::string_view text) -> Result<int32_t> {
      if (const std::optional<int32_t> id = vocabulary.find(text)) return *id;
      return make_error(StatusCode::kDataCorrupt,
                        "model.merges[{}] = \"{}\" + \"{}\": \"{}\" is not in model.vocab", rank,
                        pair.left, pair.right, text);
    };
    BITNETC_ASSIGN_OR_RETURN(const int32_t left, find(pair.left));
    BITNETC_ASSIGN_OR_RETURN(const int32_t right, find(pair.right));
    BITNETC_ASSIGN_OR_RETURN(const int32_t id, find(joined));
    model.table_.set(left, right, {static_cast<uint32_t>(rank), id});
    if (!pair.left.empty() && !pair.right.empty()) model.add_joints(pair.left, pair.right);
  }
  return model;
}

// The last character of the left part and the first one of the right part; a part that is a token
// from the start (a byte token) stands for itself, too.
void BpeModel::add_joints(std::string_view left, std::string_view right) {
  const int32_t whole_left = part_id(left), whole_right = part_id(right);
  joints_.insert(whole_left, whole_right);
  size_t begin = left.size() - 1;
  while (begin > 0 && (static_cast<uint8_t>(left[begin]) & 0xC0) == 0x80) --begin;
  const int32_t last = part_id(left.substr(begin));
  const int32_t first = part_id(right.substr(0, first_utf8_unit(right).length_bytes));
  joints_.insert(last, first);
  joints_.insert(last, whole_right);
  joints_.insert(whole_left, first);
}

// The id of a text that a merge can meet: a token, or a single character. -1: neither.
int32_t BpeModel::part_id(std::string_view text) const {
  if (const std::optional<int32_t> id = vocabulary_->find(text)) return *id;
  const Utf8Unit unit = first_utf8_unit(text);
  if (unit.length_bytes != text.size()) return -1;
  const auto stand_in = stand_ins_.find(unit.code_point);
  return stand_in == stand_ins_.end() ? -1 : stand_in->second;
}

int32_t BpeModel::add_stand_in(uint32_t code_point) {
  const auto id =
      static_cast<int32_t>(static_cast<size_t>(vocabulary_->id_end()) + stand_ins_.size());
  const auto [it, is_new] = stand_ins_.emplace(code_point, id);
  if (is_new) stand_in_characters_.push_back(code_point);
  return it->second;
}

BpeModel BpeModel::create_by_score(const Vocabulary& vocabulary, std::span<const float> scores,
                                   const std::vector<bool>& merges_into,
                                   const BpeOptions& options) {
  std::vector<int32_t> by_score;
  size_t splits = 0;
  for (int32_t id = 0; id < vocabulary.id_end(); ++id) {
    if (!merges_into[static_cast<size_t>(id)]) continue;
    by_score.push_back(id);
    splits += vocabulary.text(id)->size();
  }
  const auto score_of = [&](int32_t id) { return scores[static_cast<size_t>(id)]; };
  std::stable_sort(by_score.begin(), by_score.end(),
                   [&](int32_t a, int32_t b) { return score_of(a) > score_of(b); });
  BpeModel model(vocabulary, splits, options);
  for (const int32_t id : by_score) {
    for (std::string_view rest = *vocabulary.text(id); !rest.empty();) {
      const Utf8Unit unit = first_utf8_unit(rest);
      if (!vocabulary.find(rest.substr(0, unit.length_bytes))) model.add_stand_in(unit.code_point);
      rest.remove_prefix(unit.length_bytes);
    }
  }
  uint32_t rank = 0;
  for (size_t i = 0; i < by_score.size(); ++i) {
    // Equal scores are one rank: the leftmost of them merges first.
    if (i > 0 && score_of(by_score[i]) != score_of(by_score[i - 1])) ++rank;
    const std::string_view text = *vocabulary.text(by_score[i]);
    for (size_t at = first_utf8_unit(text).length_bytes; at < text.size();
         at += first_utf8_unit(text.substr(at)).length_bytes) {
      const int32_t left = model.part_id(text.substr(0, at));
      const int32_t right = model.part_id(text.substr(at));
      if (left < 0 || right < 0) continue;
      model.table_.set(left, right, {rank, by_score[i]});
      model.add_joints(text.substr(0, at), text.substr(at));
    }
  }
  return model;
}

int32_t BpeModel::character_id(uint32_t code_point, std::string_view character) const {
  if (code_point < low_ids_.size()) return low_ids_[code_point];
  return vocabulary_->find(character).value_or(-1);
}

bool BpeModel::append_byte_tokens(std::string_view character, std::vector<int32_t>& ids) const {
  const size_t begin = ids.size();
  for (const char byte : character) {
    ids.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    if (ids.back() >= 0) continue;
    ids.resize(begin);
    return false;
  }
  return true;
}

Status BpeModel::no_token(uint32_t code_point) const {
  const std::optional<uint8_t> byte = symbol_byte(code_point);
  if (options_.is_byte_level && byte) {
    return make_error(
        StatusCode::kInvalidArgument,
        "byte 0x{:02X} of the text has no token: model.vocab lacks its symbol U+{:04X} "
        "and there is no model.unk_token",
        *byte, code_point);
  }
  return make_error(StatusCode::kInvalidArgument,
                    "character U+{:04X} of the text has no token and there is no model.unk_token",
                    code_point);
}

// An unknown token waits until the next known character, because the unknown characters behind it
// may join it; byte tokens do not end the wait, which is what Hugging Face's implementation does.
Status BpeModel::split_characters(std::string_view piece, std::vector<int32_t>& ids) const {
  bool has_waiting_unk = false;
  for (size_t at = 0; at < piece.size();) {
    const Utf8Unit unit = first_utf8_unit(piece.substr(at));
    const std::string_view character = piece.substr(at, unit.length_bytes);
    at += unit.length_bytes;
    const int32_t id = character_id(unit.code_point, character);
    if (id >= 0) {
      if (std::exchange(has_waiting_unk, false)) ids.push_back(*options_.unk_id);
      ids.push_back(id);
      continue;
    }
    if (const auto stand_in = stand_ins_.find(unit.code_point); stand_in != stand_ins_.end()) {
      if (std::exchange(has_waiting_unk, false)) ids.push_back(*options_.unk_id);
      ids.push_back(stand_in->second);
      continue;
    }
    if (options_.byte_fallback && append_byte_tokens(character, ids)) continue;
    if (!options_.unk_id) return no_token(unit.code_point);
    if (has_waiting_unk && !options_.fuse_unk) ids.push_back(*options_.unk_id);
    has_waiting_unk = true;
  }
  if (has_waiting_unk) ids.push_back(*options_.unk_id);
  return {};
}

std::unique_ptr<ModelScratch> BpeModel::make_scratch() const {
  return std::make_unique<BpeScratch>();
}

Status BpeModel::encode(std::string_view piece, ModelScratch& model_scratch,
                        std::vector<int32_t>& ids) const {
  auto& scratch = static_cast<BpeScratch&>(model_scratch);
  if (options_.ignore_merges) {
    if (const std::optional<int32_t> id = vocabulary_->find(piece)) {
      ids.push_back(*id);
      return {};
    }
  }
  scratch.characters_.clear();
  BITNETC_RETURN_IF_ERROR(split_characters(piece, scratch.characters_));
  const std::span<const int32_t> characters = scratch.characters_;
  if (characters.size() <= kShortPiece) return merge_part(characters, scratch, ids);
  // What no merge ever joins can be merged apart: words, where the tokenizer does not cut them.
  size_t begin = 0;
  for (size_t end = 1; end <= characters.size(); ++end) {
    if (end < characters.size() && joints_.contains(characters[end - 1], characters[end])) continue;
    BITNETC_RETURN_IF_ERROR(merge_part(characters.subspan(begin, end - begin), scratch, ids));
    begin = end;
  }
  return {};
}

Status BpeModel::merge_part(std::span<const int32_t> characters, BpeScratch& scratch,
                            std::vector<int32_t>& ids) const {
  scratch.ids_.assign(characters.begin(), characters.end());
  if (characters.size() > kShortPiece) {
    merge_long(scratch);
  } else if (characters.size() > 1) {
    merge_short(scratch);
  }
  if (!stand_ins_.empty()) return append_known(scratch.ids_, ids);
  ids.insert(ids.end(), scratch.ids_.begin(), scratch.ids_.end());
  return {};
}

// Stand-ins that nothing was merged with become byte tokens or the unknown token.
Status BpeModel::append_known(std::span<const int32_t> merged, std::vector<int32_t>& ids) const {
  for (const int32_t id : merged) {
    if (id < vocabulary_->id_end()) {
      ids.push_back(id);
      continue;
    }
    const uint32_t code_point =
        stand_in_characters_[static_cast<size_t>(id - vocabulary_->id_end())];
    std::string character;
    append_utf8(code_point, character);
    if (options_.byte_fallback && append_byte_tokens(character, ids)) continue;
    if (!options_.unk_id) return no_token(code_point);
    const bool joins = options_.fuse_unk && !ids.empty() && ids.back() == *options_.unk_id;
    if (!joins) ids.push_back(*options_.unk_id);
  }
  return {};
}

// merges_[i] is what ids_[i] and ids_[i + 1] merge into.
void BpeModel::merge_short(BpeScratch& scratch) const {
  std::vector<int32_t>& ids = scratch.ids_;
  std::vector<BpeMerge>& merges = scratch.merges_;
  merges.clear();
  for (size_t i = 0; i + 1 < ids.size(); ++i) merges.push_back(table_.find(ids[i], ids[i + 1]));
  while (!merges.empty()) {
    const auto best =
        std::min_element(merges.begin(), merges.end(),
                         [](const BpeMerge& a, const BpeMerge& b) { return a.rank < b.rank; });
    if (best->rank == BpeMerge::kNever) break;
    const auto i = static_cast<size_t>(best - merges.begin());
    ids[i] = best->id;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(i) + 1);
    merges.erase(best);
    if (i < merges.size()) merges[i] = table_.find(ids[i], ids[i + 1]);
    if (i > 0) merges[i - 1] = table_.find(ids[i - 1], ids[i]);
  }
}

void BpeModel::push_candidate(BpeScratch& scratch, int32_t position) const {
  if (position < 0) return;
  const BpeScratch::Symbol& left = scratch.symbols_[static_cast<size_t>(position)];
  if (left.next < 0) return;
  const BpeMerge merge = table_.find(left.id, scratch.symbols_[static_cast<size_t>(left.next)].id);
  if (merge.rank == BpeMerge::kNever) return;
  scratch.heap_.push_back({uint64_t{merge.rank} << 32 | static_cast<uint32_t>(position), merge.id});
  std::push_heap(scratch.heap_.begin(), scratch.heap_.end(), [](const auto& a, const auto& b) {
    return a.rank_and_position > b.rank_and_position;
  });
}

// Candidates are not taken out of the heap when a merge makes them stale; they are recognised when
// their turn comes, because their pair no longer merges into the same token.
void BpeModel::merge_long(BpeScratch& scratch) const {
  auto& symbols = scratch.symbols_;
  auto& heap = scratch.heap_;
  symbols.clear();
  heap.clear();
  const auto count = static_cast<int32_t>(scratch.ids_.size());
  for (int32_t i = 0; i < count; ++i) {
    symbols.push_back({scratch.ids_[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1});
  }
  for (int32_t i = 0; i < count; ++i) push_candidate(scratch, i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), [](const auto& a, const auto& b) {
      return a.rank_and_position > b.rank_and_position;
    });
    const BpeScratch::Candidate best = heap.back();
    heap.pop_back();
    const auto position = static_cast<int32_t>(best.rank_and_position & UINT32_MAX);
    BpeScratch::Symbol& left = symbols[static_cast<size_t>(position)];
    if (left.id < 0 || left.next < 0) continue;
    BpeScratch::Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (table_.find(left.id, right.id).id != best.id) continue;
    left.id = best.id;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = position;
    push_candidate(scratch, left.previous);
    push_candidate(scratch, position);
  }
  scratch.ids_.clear();
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    scratch.ids_.push_back(symbols[static_cast<size_t>(i)].id);
  }
}

}  // namespace bitnetc
