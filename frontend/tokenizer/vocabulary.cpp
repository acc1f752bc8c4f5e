#include "frontend/tokenizer/vocabulary.h"

#include <xxhash.h>

namespace bitnetc {
namespace {

uint64_t hash_text(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

}  // namespace

// The slot that holds `text`, or the free slot where it belongs. The low bits of the hash choose
// the slot, the high bits are compared before the text is.
size_t Vocabulary::slot_of(std::string_view text, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) return at;
    if (slot.hash == tag && span_text(spans_[static_cast<size_t>(slot.id)]) == text) return at;
  }
}

void Vocabulary::grow() {
  slots_.assign(slots_.empty() ? 64 : slots_.size() * 2, Slot{});
  for (size_t id = 0; id < spans_.size(); ++id) {
    if (spans_[id].length == kHole) continue;
    const std::string_view text = span_text(spans_[id]);
    const uint64_t hash = hash_text(text);
    slots_[slot_of(text, hash)] = {static_cast<uint32_t>(hash >> 32), static_cast<int32_t>(id)};
  }
}

Vocabulary::Insert Vocabulary::insert(std::string_view text, int32_t id) {
  if (count_ * 2 >= slots_.size()) grow();
  const uint64_t hash = hash_text(text);
  const size_t at = slot_of(text, hash);
  if (slots_[at].id >= 0) return Insert::kDuplicateText;
  const auto index = static_cast<size_t>(id);
  if (index >= spans_.size()) spans_.resize(index + 1);
  if (spans_[index].length != kHole) return Insert::kDuplicateId;
  spans_[index] = {static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(text.size())};
  texts_.append(text);
  slots_[at] = {static_cast<uint32_t>(hash >> 32), id};
  ++count_;
  return Insert::kDone;
}

std::optional<int32_t> Vocabulary::find(std::string_view text) const {
  if (slots_.empty()) return std::nullopt;
  const Slot& slot = slots_[slot_of(text, hash_text(text))];
  if (slot.id < 0) return std::nullopt;
  return slot.id;
}

std::optional<std::string_view> Vocabulary::text(int32_t id) const {
  if (id < 0 || id >= id_end() || spans_[static_cast<size_t>(id)].length == kHole) {
    return std::nullopt;
  }
  return span_text(spans_[static_cast<size_t>(id)]);
}

}  // namespace bitnetc
