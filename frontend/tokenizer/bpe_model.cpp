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
    if (options_.byte_fallback && append_byte_tokens(character, ids)) continue;
    if (!options_.unk_id) return no_token(unit.code_point);
    if (has_waiting_unk && !options_.fuse_unk) ids.push_back(*options_.unk_id);
    has_waiting_unk = true;
  }
  if (has_waiting_unk) ids.push_back(*options_.unk_id);
  return {};
}

Status BpeModel::encode(std::string_view piece, BpeScratch& scratch,
                        std::vector<int32_t>& ids) const {
  if (options_.ignore_merges) {
    if (const std::optional<int32_t> id = vocabulary_->find(piece)) {
      ids.push_back(*id);
      return {};
    }
  }
  scratch.ids_.clear();
  BITNETC_RETURN_IF_ERROR(split_characters(piece, scratch.ids_));
  if (scratch.ids_.size() <= kShortPiece) {
    merge_short(scratch);
  } else {
    merge_long(scratch);
  }
  ids.insert(ids.end(), scratch.ids_.begin(), scratch.ids_.end());
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
