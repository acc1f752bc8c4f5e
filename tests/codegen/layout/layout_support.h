// Helpers of the layout tests: packing that fails the test instead of returning a Status, and the
// check that a layout of words uses no bit pattern twice and refuses the rest.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "codegen/layout/word_columns.h"
#include "codegen/weight_layout.h"

namespace bitnetc::test {

inline std::vector<int8_t> random_trits(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int8_t> trits(static_cast<size_t>(count));
  for (int8_t& trit : trits) trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  return trits;
}

inline std::vector<uint8_t> packed(const WeightLayout& layout, const std::vector<int8_t>& trits) {
  std::vector<uint8_t> bytes(static_cast<size_t>(layout.total_bytes()), 0xee);
  const Status status = pack(layout, trits, bytes);
  EXPECT_TRUE(status.ok()) << status.message();
  return bytes;
}

inline std::vector<int8_t> unpacked(const WeightLayout& layout, const std::vector<uint8_t>& bytes) {
  std::vector<int8_t> trits(static_cast<size_t>(layout.n * layout.k), 9);
  const Status status = unpack(layout, bytes, trits);
  EXPECT_TRUE(status.ok()) << status.message();
  return trits;
}

// All 65536 words: those that decode do so into fields in range that encode to the same word, and
// there are as many as there are weights to tell apart. So every value has exactly one word.
inline void expect_one_word_per_value(const WordFormat& format) {
  int64_t values = 1;
  for (int f = 0; f < format.fields; ++f)
    for (int t = 0; t < format.trits[f]; ++t) values *= 3;
  constexpr int kLargest[] = {0, 1, 4, 13};  // by trits
  int64_t valid = 0;
  for (int word = 0; word < 1 << 16; ++word) {
    int fields[kMaxFields];
    if (!format.decode(static_cast<uint16_t>(word), fields)) continue;
    ++valid;
    EXPECT_EQ(format.encode(fields), word);
    for (int f = 0; f < format.fields; ++f)
      EXPECT_LE(std::abs(fields[f]), kLargest[format.trits[f]]) << "word " << word;
  }
  EXPECT_EQ(valid, values);
}

// Every column of a block stands in exactly one place.
inline void expect_columns_once(const WordFormat& format) {
  std::vector<int> uses(static_cast<size_t>(format.columns), 0);
  for (int w = 0; w < format.words; ++w)
    for (int f = 0; f < format.fields; ++f)
      for (int t = 0; t < format.trits[f]; ++t)
        ++uses.at(static_cast<size_t>(format.column(w, f, t)));
  EXPECT_EQ(uses, std::vector<int>(uses.size(), 1));
}

// unpack() of a zero matrix in which word `word` stands as word 1 of block 1 of row 21.
inline Status unpack_with_word(LayoutId id, uint16_t word) {
  const int64_t columns = word_format(id).columns;
  const WeightLayout layout{.id = id, .n = 32, .k = 2 * columns};
  std::vector<int8_t> trits(static_cast<size_t>(layout.n * layout.k));
  std::vector<uint8_t> bytes = packed(layout, trits);
  const auto at =
      static_cast<size_t>(layout.tile_bytes() + layout.block_bytes() + kWordColumnBytes + 5 * 2);
  bytes[at] = static_cast<uint8_t>(word);
  bytes[at + 1] = static_cast<uint8_t>(word >> 8);
  return unpack(layout, bytes, trits);
}

// Every bit pattern that no weights have is refused, with its row and block.
inline void expect_other_words_refused(LayoutId id) {
  const WordFormat& format = word_format(id);
  const std::string expected =
      fmt::format("unpack {}: row 21, columns from {}: no weights have these bits", layout_name(id),
                  format.columns);
  for (int word = 0; word < 1 << 16; word += 7) {  // 7: a sample over all bits
    int fields[kMaxFields];
    const bool occurs = format.decode(static_cast<uint16_t>(word), fields);
    const Status status = unpack_with_word(id, static_cast<uint16_t>(word));
    ASSERT_EQ(status.ok(), occurs) << "word " << word;
    if (occurs) continue;
    ASSERT_EQ(status.code(), StatusCode::kDataCorrupt);
    ASSERT_EQ(status.message(), expected);
  }
}

}  // namespace bitnetc::test
