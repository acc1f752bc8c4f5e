// The tokens of a model: text to id and id to text. Filled once by the reader, then only read, from
// any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {

constexpr int32_t kMaxTokenId = 1 << 24;

class Vocabulary {
 public:
  enum class Insert { kDone, kDuplicateText, kDuplicateId };

  // `id` is in [0, kMaxTokenId]. Ids may leave holes.
  Insert insert(std::string_view text, int32_t id);

  std::optional<int32_t> find(std::string_view text) const;
  std::optional<std::string_view> text(int32_t id) const;  // nullopt: outside, or a hole
  int32_t id_end() const { return static_cast<int32_t>(spans_.size()); }  // highest id + 1
  size_t size() const { return count_; }

 private:
  static constexpr uint32_t kHole = UINT32_MAX;
  struct Span {
    uint32_t offset = 0;
    uint32_t length = kHole;
  };
  // Open addressing with linear probing; half of the slots or more stay free.
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;  // -1: free
  };

  std::string_view span_text(const Span& span) const {
    return std::string_view(texts_).substr(span.offset, span.length);
  }
  size_t slot_of(std::string_view text, uint64_t hash) const;
  void grow();

  std::string texts_;  // all token texts, one after another
  std::vector<Span> spans_;
  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace bitnetc
