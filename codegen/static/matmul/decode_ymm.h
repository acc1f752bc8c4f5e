// Blocks of every layout as vectors of codes, AVX2: dword r of vector 2g + part holds the codes w +
// 1 of a row, columns 4g .. 4g + 3 of the block. i2_s: part p has the rows 8p .. 8p + 7. The
// layouts made of words come out of the unpacking instructions as Ymm::rows<true> undoes it.
// Layouts: docs/layouts/.
//
// Decoders as in decode_zmm.h. A shuffle looks at four bits only: the fields of three weights (32
// values) take two shuffles, whose tables hold all three codes, two bits each; then they are planes
// as in i2_s.
#pragma once

#include "codegen/static/matmul/trit_tables.h"
#include "codegen/static/matmul/unroll.h"
#include "codegen/static/vectors_ymm.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

// The two-bit codes at bit kShift of every byte, left at bit kShift % (kKeep + 2).
template <int kShift, int kKeep>
inline __m256i plane(__m256i packed) {
  constexpr int kBits = kShift % (kKeep + 2), kDown = kShift - kBits;
  return Ymm::bit_and(Ymm::shift_words_right<kDown>(packed), Ymm::broadcast(0x03030303 << kBits));
}

struct I2sYmm {
  static constexpr int kBlockBytes = 64, kColumns = 16, kGroups = 4;
  static constexpr bool kInterleaved = false, kHasPlanes = true;
  static constexpr int shift(int group) { return 2 * group; }

  template <int kKeep, typename Take>
  static void decode(const uint8_t* block, const Take& take) {
    const __m256i packed[2] = {Ymm::load(block), Ymm::load(block + 32)};
    unroll<kGroups>([&](auto g) {
      take(g, plane<shift(g.value), kKeep>(packed[0]), plane<shift(g.value), kKeep>(packed[1]));
    });
  }
};

struct Tl1Ymm {
  static constexpr int kBlockBytes = 64, kColumns = 16, kGroups = 4;
  static constexpr bool kInterleaved = true, kHasPlanes = false;

  template <int kKeep, typename Take>
  static void decode(const uint8_t* block, const Take& take) {
    const __m256i first = Ymm::load(&kTl1First), second = Ymm::load(&kTl1Second);
    const __m256i nibble = Ymm::broadcast(0x0f0f0f0f);
    const __m256i word0 = Ymm::load(block), word1 = Ymm::load(block + 32);
    const __m256i rows[2] = {_mm256_unpacklo_epi16(word0, word1),
                             _mm256_unpackhi_epi16(word0, word1)};
    const __m256i low[2] = {Ymm::bit_and(rows[0], nibble), Ymm::bit_and(rows[1], nibble)};
    take(Constant<0>(), _mm256_shuffle_epi8(first, low[0]), _mm256_shuffle_epi8(first, low[1]));
    take(Constant<1>(), _mm256_shuffle_epi8(second, low[0]), _mm256_shuffle_epi8(second, low[1]));
    const __m256i high[2] = {Ymm::bit_and(Ymm::shift_words_right<4>(rows[0]), nibble),
                             Ymm::bit_and(Ymm::shift_words_right<4>(rows[1]), nibble)};
    take(Constant<2>(), _mm256_shuffle_epi8(first, high[0]), _mm256_shuffle_epi8(first, high[1]));
    take(Constant<3>(), _mm256_shuffle_epi8(second, high[0]), _mm256_shuffle_epi8(second, high[1]));
  }
};

// Entries 0..15 and 16..31 of a table, each twice for the two lanes of a vector.
struct SplitTable {
  ShuffleTable halves;  // low, low, high, high

  __m256i look_up(__m256i index) const {
    // A shuffle gives 0 where bit 7 is set: above 15 in the first one, below 16 in the second.
    const __m256i below = _mm256_add_epi8(index, _mm256_set1_epi8(0x70));
    const __m256i above = _mm256_sub_epi8(index, _mm256_set1_epi8(16));
    return _mm256_or_si256(_mm256_shuffle_epi8(Ymm::load(halves.at), below),
                           _mm256_shuffle_epi8(Ymm::load(halves.at + 32), above));
  }
};
template <typename Entry>
constexpr SplitTable make_split_table(Entry entry) {
  return {make_table([entry](int i) { return entry(i % 16 + (i < 32 ? 0 : 16)); })};
}

// The three groups from kGroup on: fields of three weights, a byte each, in pairs of words.
template <int kGroup, int kKeep, typename Take>
[[gnu::always_inline]] inline void take_triples(const SplitTable& triples, __m256i low_words,
                                                __m256i high_words, const Take& take) {
  const __m256i packed0 = triples.look_up(_mm256_unpacklo_epi16(low_words, high_words));
  const __m256i packed1 = triples.look_up(_mm256_unpackhi_epi16(low_words, high_words));
  take(Constant<kGroup>(), plane<0, kKeep>(packed0), plane<0, kKeep>(packed1));
  take(Constant<kGroup + 1>(), plane<2, kKeep>(packed0), plane<2, kKeep>(packed1));
  take(Constant<kGroup + 2>(), plane<4, kKeep>(packed0), plane<4, kKeep>(packed1));
}

struct Tl2Ymm {
  static constexpr int kBlockBytes = 128, kColumns = 36, kGroups = 9;
  static constexpr bool kInterleaved = true, kHasPlanes = true;
  static constexpr int shift(int group) { return 2 * (group % 3); }

  template <int kKeep, typename Take>
  static void decode(const uint8_t* block, const Take& take) {
    const __m256i word0 = Ymm::load(block), word1 = Ymm::load(block + 32);
    const __m256i word2 = Ymm::load(block + 64), word3 = Ymm::load(block + 96);
    take_triples<0, kKeep>(kTriples, first_fields(word0), first_fields(word1), take);
    take_triples<3, kKeep>(kTriples, first_fields(word2), first_fields(word3), take);
    take_triples<6, kKeep>(kTriples, third_fields(word0, word1), third_fields(word2, word3), take);
  }

 private:
  static constexpr SplitTable kTriples =
      make_split_table([](int i) { return packed_triple(shifted_tl2(i)); });

  // Field 0 in the lower byte, field 1 in the upper.
  static __m256i first_fields(__m256i word) {
    return _mm256_or_si256(Ymm::bit_and(word, _mm256_set1_epi16(0x001f)),
                           Ymm::bit_and(_mm256_slli_epi16(word, 3), _mm256_set1_epi16(0x1f00)));
  }
  // Field 2 of two words.
  static __m256i third_fields(__m256i low, __m256i high) {
    return _mm256_or_si256(_mm256_srli_epi16(low, 10),
                           Ymm::bit_and(_mm256_srli_epi16(high, 2), _mm256_set1_epi16(0x1f00)));
  }
};

// Fields by multiplication, as in B3Zmm.
struct B3Ymm {
  static constexpr int kBlockBytes = 64, kColumns = 20, kGroups = 5;
  static constexpr bool kInterleaved = true, kHasPlanes = true;
  static constexpr int shift(int group) { return group < 3 ? 2 * group : 0; }

  template <int kKeep, typename Take>
  static void decode(const uint8_t* block, const Take& take) {
    // In one place, or GCC multiplies by shifts and subtractions, four for one.
    const __m256i radix = in_one_place(_mm256_set1_epi16(27));
    const Fields word0 = split(Ymm::load(block), radix);
    const Fields word1 = split(Ymm::load(block + 32), radix);
    take_triples<0, kKeep>(kTriples, word0.first, word1.first, take);
    // Fields 2 and 3 of both words, a byte each.
    const __m256i packed =
        kTriples.look_up(_mm256_or_si256(word0.third, _mm256_slli_epi16(word1.third, 8)));
    const __m256i lone = _mm256_or_si256(_mm256_srli_epi16(word0.fourth_high, 8),
                                         Ymm::bit_and(word1.fourth_high, high_bytes()));
    take_words<3>(plane<0, 0>(packed), lone, take);
    take_words<4>(plane<2, 0>(packed), plane<4, 0>(packed), take);
  }

 private:
  static constexpr SplitTable kTriples =
      make_split_table([](int i) { return packed_triple(i < 27 ? i : 0); });

  struct Fields {
    __m256i first;        // field 0 in the lower byte, field 1 in the upper
    __m256i third;        // in the lower byte, the upper is 0
    __m256i fourth_high;  // in the upper byte, the lower has other bits
  };
  static __m256i high_bytes() { return _mm256_set1_epi16(static_cast<int16_t>(0xff00)); }
  static Fields split(__m256i rest, __m256i radix) {
    const __m256i field0 = _mm256_mulhi_epu16(rest, radix);
    rest = _mm256_mullo_epi16(rest, radix);
    const __m256i field1 = _mm256_mulhi_epu16(rest, _mm256_set1_epi16(27 << 8));
    rest = _mm256_mullo_epi16(rest, radix);
    const __m256i field2 = _mm256_mulhi_epu16(rest, radix);
    rest = _mm256_mullo_epi16(rest, radix);
    return {.first = _mm256_or_si256(field0, Ymm::bit_and(field1, high_bytes())),
            .third = field2,
            .fourth_high = _mm256_mulhi_epu16(rest, _mm256_set1_epi16(3 << 8))};
  }
  template <int kGroup, typename Take>
  [[gnu::always_inline]] static void take_words(__m256i low_words, __m256i high_words,
                                                const Take& take) {
    take(Constant<kGroup>(), _mm256_unpacklo_epi16(low_words, high_words),
         _mm256_unpackhi_epi16(low_words, high_words));
  }
};

}  // namespace
}  // namespace bitnetc
