// Panel decoders against unpack(): every byte of the panel, for every layout and vector width, with
// unreadable pages around what is read and written. And what they are made of: the instruction sets
// and counts that their headers state.
#include <Zydis/Zydis.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

#include "codegen/layout/word_columns.h"
#include "runtime/cpu_features.h"
#include "runtime/exec_memory.h"
#include "tests/support/decode_program.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/random_values.h"

namespace bitnetc::x64 {
namespace {

constexpr int kZmmBytes = 64;

struct Case {
  LayoutId layout;
  int vector_bytes;

  std::string name() const {
    return fmt::format("{}_{}", layout_name(layout), vector_bytes == kZmmBytes ? "zmm" : "ymm");
  }
};

class PanelDecoder : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const CpuFeatures& cpu = cpu_features();
    const bool needs_vbmi =
        GetParam().layout == LayoutId::kTl2 || GetParam().layout == LayoutId::kB3;
    if (!cpu.has(Feature::kAvx2)) GTEST_SKIP() << "NOT TESTED: this CPU has no AVX2";
    if (GetParam().vector_bytes == kZmmBytes) {
      if (!cpu.has(Feature::kAvx512bw) || !cpu.has(Feature::kAvx512vl))
        GTEST_SKIP() << "NOT TESTED: this CPU has no AVX-512 BW";
      if (needs_vbmi && !cpu.has(Feature::kAvx512Vbmi))
        GTEST_SKIP() << "NOT TESTED: this CPU has no VBMI";
    }
    Result<std::shared_ptr<const ExecMemory>> published =
        publish_code(test::decode_program(GetParam().layout, GetParam().vector_bytes));
    ASSERT_TRUE(published.ok()) << published.status().message();
    code_ = *std::move(published);
  }

  WeightLayout tile(int64_t k) const { return {.id = GetParam().layout, .n = kTileRows, .k = k}; }

  // Decodes a packed tile whose K is whole blocks and compares with the codes that unpack() finds.
  void expect_decoded(const WeightLayout& layout, std::span<const uint8_t> packed,
                      test::Edge edge) const {
    ASSERT_EQ(layout.k, layout.padded_k());
    std::vector<int8_t> trits(static_cast<size_t>(kTileRows * layout.k));
    const Status unpacked = unpack(layout, packed, trits);
    ASSERT_TRUE(unpacked.ok()) << unpacked.message();
    test::GuardedBuffer<uint8_t> w(packed.size(), edge), panel(trits.size(), edge);
    std::memcpy(w.data(), packed.data(), packed.size());
    std::memset(panel.data(), 0xee, panel.size());
    reinterpret_cast<test::DecodeEntry>(reinterpret_cast<uintptr_t>(code_->span().rx))(
        w.data(), panel.data(), layout.k / layout.block_columns());
    for (int64_t k = 0; k < layout.k; ++k) {
      for (int64_t row = 0; row < kTileRows; ++row) {
        const int64_t at =
            (k / kDotGroupColumns * kTileRows + row) * kDotGroupColumns + k % kDotGroupColumns;
        const int expected = trits[static_cast<size_t>(row * layout.k + k)] + 1;
        ASSERT_EQ(panel[static_cast<size_t>(at)], expected) << "row " << row << " column " << k;
      }
    }
    EXPECT_TRUE(panel.slack_intact());
  }

  std::shared_ptr<const ExecMemory> code_;
};

TEST_P(PanelDecoder, DecodesMatricesOfEveryK) {
  test::RandomValues random(5);
  for (const int64_t k : {1, 4, 16, 20, 36, 37, 100, 256, 2560}) {
    for (const int low : {-1, 0, 1}) {
      for (const int high : {-1, 0, 1}) {
        if (high < low) continue;
        const WeightLayout layout = tile(k), whole = tile(layout.padded_k());
        std::vector<int8_t> trits(static_cast<size_t>(kTileRows * k));
        for (int8_t& trit : trits) trit = static_cast<int8_t>(random.integer(low, high));
        std::vector<uint8_t> packed(static_cast<size_t>(layout.total_bytes()));
        ASSERT_TRUE(pack(layout, trits, packed).ok());
        for (const test::Edge edge : {test::Edge::kEnd, test::Edge::kBegin})
          ASSERT_NO_FATAL_FAILURE(expect_decoded(whole, packed, edge)) << k;
      }
    }
  }
}

// The words that encode() makes, in the order of their bits.
std::vector<uint16_t> words_of(const WordFormat& format) {
  std::vector<uint16_t> words;
  for (int word = 0; word <= 0xffff; ++word) {
    int fields[4];
    if (format.decode(static_cast<uint16_t>(word), fields))
      words.push_back(static_cast<uint16_t>(word));
  }
  return words;
}

class PanelDecoderOfWords : public PanelDecoder {};

TEST_P(PanelDecoderOfWords, DecodesEveryWordInEveryPlaceOfABlock) {
  const WordFormat& format = word_format(GetParam().layout);
  const std::vector<uint16_t> words = words_of(format);
  int64_t expected_words = 1;
  for (int f = 0; f < format.fields; ++f)
    for (int t = 0; t < format.trits[f]; ++t) expected_words *= 3;
  ASSERT_EQ(static_cast<int64_t>(words.size()), expected_words);

  const size_t per_block = static_cast<size_t>(format.words * kTileRows);
  const size_t blocks = ceil_div(words.size(), per_block);
  const WeightLayout layout = tile(static_cast<int64_t>(blocks) * format.columns);
  for (size_t shift = 0; shift < per_block; ++shift) {
    std::vector<uint8_t> packed(static_cast<size_t>(layout.total_bytes()));
    for (size_t i = 0; i < blocks * per_block; ++i) {
      const uint16_t word = words[(i + shift) % words.size()];
      std::memcpy(packed.data() + sizeof word * i, &word, sizeof word);
    }
    ASSERT_NO_FATAL_FAILURE(expect_decoded(layout, packed, test::Edge::kEnd)) << shift;
  }
}

// The layouts of words after the others.
constexpr Case kCases[] = {{LayoutId::kI2S, 32}, {LayoutId::kI2S, 64}, {LayoutId::kTl1, 32},
                           {LayoutId::kTl1, 64}, {LayoutId::kTl2, 32}, {LayoutId::kTl2, 64},
                           {LayoutId::kB3, 32},  {LayoutId::kB3, 64}};

std::string case_name(const testing::TestParamInfo<Case>& test) {
  return test.param.name();
}

INSTANTIATE_TEST_SUITE_P(X64, PanelDecoder, testing::ValuesIn(kCases), case_name);
INSTANTIATE_TEST_SUITE_P(X64, PanelDecoderOfWords,
                         testing::ValuesIn(std::begin(kCases) + 2, std::end(kCases)), case_name);

// ---- decoders by groups, as programs want them

struct UseCase {
  LayoutId layout;
  YmmDecoderUse use;

  std::string name() const {
    const char* rows = use.rows == YmmRows::kInOrder      ? "in_order"
                       : use.rows == YmmRows::kAsUnpacked ? "as_unpacked"
                                                          : "as_word_columns";
    return fmt::format("{}_{}_from_ymm{}", layout_name(layout), rows, use.first_register);
  }
};

std::vector<UseCase> use_cases() {
  std::vector<UseCase> cases;
  for (const LayoutId layout : {LayoutId::kTl1, LayoutId::kTl2, LayoutId::kB3}) {
    for (const YmmRows rows : {YmmRows::kInOrder, YmmRows::kAsUnpacked, YmmRows::kAsWordColumns}) {
      if (layout == LayoutId::kB3 && rows == YmmRows::kAsWordColumns) continue;
      for (int first = 0; first <= 16 - kLeastYmmRegisters; ++first)
        cases.push_back({layout, {.first_register = first, .rows = rows}});
    }
  }
  return cases;
}

// Where a decoded group has the code of a row and a column of the group.
int64_t place_in_group(YmmRows rows, int64_t row, int64_t column) {
  constexpr int64_t kPartBytes = 32;
  switch (rows) {
    case YmmRows::kInOrder: return row * kDotGroupColumns + column;
    case YmmRows::kAsUnpacked:
      return row / 4 % 2 * kPartBytes + (row / 8 * 4 + row % 4) * kDotGroupColumns + column;
    case YmmRows::kAsWordColumns: break;
  }
  return column / 2 * kPartBytes + row * 2 + column % 2;
}

class YmmGroups : public testing::TestWithParam<UseCase> {};

TEST_P(YmmGroups, HoldTheCodesOfTheirRowsAndColumns) {
  if (!cpu_features().has(Feature::kAvx2)) GTEST_SKIP() << "NOT TESTED: this CPU has no AVX2";
  const auto [layout, use] = GetParam();
  const auto code = publish_code(test::ymm_decode_program(layout, use));
  ASSERT_TRUE(code.ok()) << code.status().message();
  const WeightLayout tile{.id = layout, .n = kTileRows, .k = 720};
  ASSERT_EQ(tile.padded_k(), tile.k);
  test::RandomValues random(6);
  std::vector<int8_t> trits(static_cast<size_t>(kTileRows * tile.k));
  for (int8_t& trit : trits) trit = static_cast<int8_t>(random.integer(-1, 1));
  test::GuardedBuffer<uint8_t> w(static_cast<size_t>(tile.total_bytes()), test::Edge::kEnd);
  test::GuardedBuffer<uint8_t> groups(trits.size(), test::Edge::kEnd);
  ASSERT_TRUE(pack(tile, trits, {w.data(), static_cast<size_t>(tile.total_bytes())}).ok());
  reinterpret_cast<test::DecodeEntry>(reinterpret_cast<uintptr_t>((*code)->span().rx))(
      w.data(), groups.data(), tile.k / tile.block_columns());
  for (int64_t k = 0; k < tile.k; ++k) {
    for (int64_t row = 0; row < kTileRows; ++row) {
      const int64_t at = k / kDotGroupColumns * kDotGroupColumns * kTileRows +
                         place_in_group(use.rows, row, k % kDotGroupColumns);
      ASSERT_EQ(groups.data()[at], trits[static_cast<size_t>(row * tile.k + k)] + 1)
          << "row " << row << " column " << k;
    }
  }
}

TEST_P(YmmGroups, LeaveTheLowerRegistersAlone) {
  const std::vector<uint8_t> code = test::ymm_decode_program(GetParam().layout, GetParam().use);
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  int registers = 0;
  for (size_t offset = 0; offset < code.size();) {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ASSERT_TRUE(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data() + offset,
                                                    code.size() - offset, &decoded, operands)));
    offset += decoded.length;
    if (decoded.mnemonic == ZYDIS_MNEMONIC_RET) break;
    for (int i = 0; i < decoded.operand_count_visible; ++i) {
      if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
      if (ZydisRegisterGetClass(operands[i].reg.value) != ZYDIS_REGCLASS_YMM) continue;
      ++registers;
      EXPECT_GE(ZydisRegisterGetId(operands[i].reg.value), GetParam().use.first_register);
    }
  }
  EXPECT_GT(registers, 0);
}

INSTANTIATE_TEST_SUITE_P(X64, YmmGroups, testing::ValuesIn(use_cases()),
                         [](const testing::TestParamInfo<UseCase>& test) {
                           return test.param.name();
                         });

// ---- instructions

struct Loop {
  int operations = 0;  // of vectors, loads and stores apart
  int stores = 0;
  std::map<std::string, int> sets;  // instruction set extensions
};

// Of the program's only loop: what decodes one block.
Loop loop_of(const std::vector<uint8_t>& code) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  Loop loop;
  std::map<size_t, Loop> before;  // what stands before an offset
  for (size_t offset = 0; offset < code.size();) {
    before[offset] = loop;
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data() + offset, code.size() - offset,
                                             &decoded, operands))) {
      break;
    }
    offset += decoded.length;
    if (decoded.mnemonic == ZYDIS_MNEMONIC_JNZ) {
      const Loop& outside =
          before.at(static_cast<size_t>(static_cast<int64_t>(offset) + operands[0].imm.value.s));
      loop.operations -= outside.operations;
      loop.stores -= outside.stores;
      return loop;
    }
    if (decoded.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY) continue;
    ++loop.sets[ZydisISAExtGetString(decoded.meta.isa_ext)];
    if (decoded.mnemonic == ZYDIS_MNEMONIC_VMOVUPS) {
      loop.stores += operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? 1 : 0;
    } else {
      ++loop.operations;
    }
  }
  ADD_FAILURE() << "no loop";
  return {};
}

TEST(PanelDecoderInstructions, AreAsManyAsStated) {
  const std::map<std::string, std::pair<int, int>> stated = {
      {"i2s_ymm", {14, 8}},  {"i2s_zmm", {7, 4}},  {"tl1_ymm", {18, 8}}, {"tl1_zmm", {8, 4}},
      {"tl2_ymm", {70, 18}}, {"tl2_zmm", {19, 9}}, {"b3_ymm", {50, 10}}, {"b3_zmm", {18, 5}}};
  for (const Case& c : kCases) {
    const Loop loop = loop_of(test::decode_program(c.layout, c.vector_bytes));
    EXPECT_EQ(loop.operations, stated.at(c.name()).first) << c.name();
    EXPECT_EQ(loop.stores, stated.at(c.name()).second) << c.name();
  }
}

// With enough registers.
TEST(PanelDecoderInstructions, OfGroupsAreAsManyAsStated) {
  const auto operations = [](LayoutId layout, YmmRows rows) {
    return loop_of(test::ymm_decode_program(layout, {.first_register = 0, .rows = rows}))
        .operations;
  };
  EXPECT_EQ(operations(LayoutId::kTl1, YmmRows::kAsUnpacked), 16);
  EXPECT_EQ(operations(LayoutId::kTl1, YmmRows::kAsWordColumns), 14);
  EXPECT_EQ(operations(LayoutId::kTl2, YmmRows::kAsUnpacked), 66);
  EXPECT_EQ(operations(LayoutId::kTl2, YmmRows::kAsWordColumns), 60);
  EXPECT_EQ(operations(LayoutId::kB3, YmmRows::kAsUnpacked), 48);
}

TEST(PanelDecoderInstructions, OfYmmAreAvx2) {
  for (const Case& c : kCases) {
    if (c.vector_bytes == kZmmBytes) continue;
    for (const auto& [set, count] : loop_of(test::decode_program(c.layout, c.vector_bytes)).sets)
      EXPECT_TRUE(set == "AVX" || set == "AVX2") << c.name() << ": " << count << " of " << set;
  }
}

}  // namespace
}  // namespace bitnetc::x64
