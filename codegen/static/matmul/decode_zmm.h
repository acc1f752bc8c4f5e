// Blocks of every layout as vectors of codes, AVX-512: dword r of vector g holds the codes w + 1 of
// row r, columns 4g .. 4g + 3 of the block. tl2 and b3 need VBMI. Layouts: docs/layouts/.
//
// A decoder names its block (bytes, columns), and decode<kKeep> calls take(Constant<g>, codes) for
// every group as soon as its codes are there. Codes of group g may be left at bit shift(g) % (kKeep
// + 2) of their byte, for sums that are shifted down at the end; kKeep = 0 leaves none.
#pragma once

#include "codegen/static/matmul/trit_tables.h"
#include "codegen/static/matmul/unroll.h"
#include "codegen/static/vectors_zmm.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

// One shift at most and one mask a group.
struct I2sZmm {
  static constexpr int kBlockBytes = 64, kColumns = 16, kGroups = 4;
  static constexpr bool kInterleaved = false, kHasPlanes = true;
  static constexpr int shift(int group) { return 2 * group; }

  template <int kKeep, typename Take>
  static void decode(const uint8_t* block, const Take& take) {
    const __m512i packed = Zmm::load(block);
    unroll<kGroups>([&](auto g) {
      constexpr int kBits = shift(g.value) % (kKeep + 2), kDown = shift(g.value) - kBits;
      take(g, Zmm::bit_and(Zmm::shift_words_right<kDown>(packed),
                           Zmm::broadcast(0x03030303 << kBits)));
    });
  }
};

// Words 0 and 1 of every row as the two halves of its dword.
inline __m512i dword_rows(const uint8_t* words) {
  alignas(64) static constexpr uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(Zmm::load(kOrder), Zmm::load(words));
}

struct Tl1Zmm {
  static constexpr int kBlockBytes = 64, kColumns = 16, kGroups = 4;
  static constexpr bool kInterleaved = false, kHasPlanes = false;

  template <int kKeep, typename Take>
  static void decode(const uint8_t* block, const Take& take) {
    const __m512i nibble = Zmm::broadcast(0x0f0f0f0f);
    const __m512i rows = dword_rows(block);
    const __m512i low = Zmm::bit_and(rows, nibble);
    const __m512i high = Zmm::bit_and(Zmm::shift_words_right<4>(rows), nibble);
    take(Constant<0>(), _mm512_shuffle_epi8(Zmm::load(&kTl1First), low));
    take(Constant<1>(), _mm512_shuffle_epi8(Zmm::load(&kTl1Second), low));
    take(Constant<2>(), _mm512_shuffle_epi8(Zmm::load(&kTl1First), high));
    take(Constant<3>(), _mm512_shuffle_epi8(Zmm::load(&kTl1Second), high));
  }
};

#ifdef __AVX512VBMI__

// A byte shuffle looks at six bits; a field has five, so that the tables are repeated and nothing
// is masked.
struct Tl2Zmm {
  static constexpr int kBlockBytes = 128, kColumns = 36, kGroups = 9;
  static constexpr bool kInterleaved = false, kHasPlanes = false;

  template <int kKeep, typename Take>
  static void decode(const uint8_t* block, const Take& take) {
    // Where the fields begin in a pair of rows' dwords: fields 0 and 1 of both words; field 2
    // twice.
    const __m512i first_fields = _mm512_set1_epi64(0x3530252015100500);
    const __m512i third_fields = _mm512_set1_epi64(0x3a2a3a2a1a0a1a0a);
    constexpr __mmask64 kUpperWords = 0xcccccccccccccccc;
    const __m512i words01 = dword_rows(block), words23 = dword_rows(block + 64);
    const __m512i third01 = _mm512_multishift_epi64_epi8(third_fields, words01);
    look_up<0>(_mm512_multishift_epi64_epi8(first_fields, words01), take);
    look_up<3>(_mm512_multishift_epi64_epi8(first_fields, words23), take);
    look_up<6>(_mm512_mask_multishift_epi64_epi8(third01, kUpperWords, third_fields, words23),
               take);
  }

 private:
  static constexpr ShuffleTable kFirst =
      make_table([](int i) { return digit_code(shifted_tl2(i % 32), 2); });
  static constexpr ShuffleTable kSecond =
      make_table([](int i) { return digit_code(shifted_tl2(i % 32), 1); });
  static constexpr ShuffleTable kThird =
      make_table([](int i) { return digit_code(shifted_tl2(i % 32), 0); });

  template <int kGroup, typename Take>
  [[gnu::always_inline]] static void look_up(__m512i fields, const Take& take) {
    take(Constant<kGroup>(), _mm512_permutexvar_epi8(fields, Zmm::load(&kFirst)));
    take(Constant<kGroup + 1>(), _mm512_permutexvar_epi8(fields, Zmm::load(&kSecond)));
    take(Constant<kGroup + 2>(), _mm512_permutexvar_epi8(fields, Zmm::load(&kThird)));
  }
};

// A word is a fraction; times the radix, its whole part is a field and its fraction the rest. Times
// 256 more, the field stands in the upper byte, above bits that the selection drops.
struct B3Zmm {
  static constexpr int kBlockBytes = 64, kColumns = 20, kGroups = 5;
  static constexpr bool kInterleaved = false, kHasPlanes = false;

  template <int kKeep, typename Take>
  static void decode(const uint8_t* block, const Take& take) {
    // In one place, or GCC multiplies by shifts and subtractions, four for one.
    const __m512i radix = in_one_place(_mm512_set1_epi16(27));
    __m512i rest = dword_rows(block);
    const __m512i field0 = _mm512_mulhi_epu16(rest, radix);
    rest = _mm512_mullo_epi16(rest, radix);
    const __m512i field1 = _mm512_mulhi_epu16(rest, _mm512_set1_epi16(27 << 8));
    rest = _mm512_mullo_epi16(rest, radix);
    const __m512i field2 = _mm512_mulhi_epu16(rest, radix);
    rest = _mm512_mullo_epi16(rest, radix);
    const __m512i field3 = _mm512_mulhi_epu16(rest, _mm512_set1_epi16(3 << 8));

    const __m512i fields01 = low_and_high_bytes(field0, field1);
    take(Constant<0>(), _mm512_permutexvar_epi8(fields01, Zmm::load(&kFirstOrLone)));
    take(Constant<1>(), _mm512_permutexvar_epi8(fields01, Zmm::load(&kSecondOrThird)));
    take(Constant<2>(), _mm512_permutexvar_epi8(fields01, Zmm::load(&kThird)));

    // Bytes of a dword, field and word: 2 of 0, 3 of 0, 2 of 1, 3 of 1.
    const __m512i fields23 = low_and_high_bytes(field2, field3);
    const __m512i upper_table = Zmm::broadcast(0x20200000);
    take(Constant<3>(),
         _mm512_permutexvar_epi8(_mm512_or_si512(pick(fields23, 0x03010200), upper_table),
                                 Zmm::load(&kFirstOrLone)));
    take(Constant<4>(),
         _mm512_permutexvar_epi8(_mm512_or_si512(pick(fields23, 0x02000200), upper_table),
                                 Zmm::load(&kSecondOrThird)));
  }

 private:
  // Lower half by a field of three weights; upper half by the lone weight, or by a field again.
  static constexpr ShuffleTable kFirstOrLone =
      make_table([](int i) { return i < 32 ? digit_code(i, 2) : digit_code(i - 32, 0); });
  static constexpr ShuffleTable kSecondOrThird =
      make_table([](int i) { return i < 32 ? digit_code(i, 1) : digit_code(i - 32, 0); });
  static constexpr ShuffleTable kThird = make_table([](int i) { return digit_code(i % 32, 0); });

  static __m512i low_and_high_bytes(__m512i low, __m512i high) {
    constexpr int kSecondWhereMask = 0xd8;
    return _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi16(static_cast<int16_t>(0xff00)),
                                     kSecondWhereMask);
  }
  // Bytes of each dword, as numbered by the bytes of `order`.
  static __m512i pick(__m512i from, int32_t order) {
    const __m128i dwords = _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c);
    const __m128i lane = _mm_add_epi8(dwords, _mm_set1_epi32(order));
    return _mm512_shuffle_epi8(from, _mm512_broadcast_i32x4(lane));
  }
};

#endif  // __AVX512VBMI__

}  // namespace
}  // namespace bitnetc
