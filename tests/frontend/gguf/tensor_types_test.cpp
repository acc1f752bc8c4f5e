// Packings: literal bytes of each, random matrices through packers of the tests' own, and what is
// refused.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "frontend/gguf/gguf_weight_source.h"
#include "frontend/gguf/tensor_types/read_tensor.h"
#include "frontend/gguf/tensor_types/tensor_type.h"
#include "runtime/math.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_builder.h"

namespace bitnetc::test {
namespace {

// A file of one tensor "t", or of that and another behind it.
class OneTensor {
 public:
  OneTensor(std::vector<uint64_t> extents, uint32_t type, std::string bytes, bool is_last = false) {
    GgufBuilder builder;
    builder.add_tensor("t", std::move(extents), type, std::move(bytes));
    if (!is_last) builder.add_tensor("u", {1}, 0, f32_bytes({1}));
    bytes_ = builder.bytes();
    auto parsed =
        GgufFile::parse({reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()}, "m.gguf");
    file_.emplace(*std::move(parsed));
  }
  Result<gguf::TypedTensor> identify() const { return gguf::identify(file_->tensors()[0]); }
  Result<TernaryMatrix> ternary(std::optional<float> factor = {}) const {
    BITNETC_ASSIGN_OR_RETURN(const gguf::TypedTensor stored, identify());
    return gguf::read_ternary(stored, factor);
  }
  Result<FloatTable> table() const {
    BITNETC_ASSIGN_OR_RETURN(const gguf::TypedTensor stored, identify());
    return gguf::read_table(stored);
  }

 private:
  std::string bytes_;
  std::optional<GgufFile> file_;
};

std::vector<int8_t> random_trits(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int8_t> trits(count);
  for (int8_t& trit : trits) trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  trits[0] = 1;
  return trits;
}

void expect_matrix(const Result<TernaryMatrix>& read, const std::vector<int8_t>& trits,
                   float scale) {
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->trits, trits);
  EXPECT_EQ(read->scales.kind, Scales::Kind::kTensor);
  EXPECT_EQ(read->scales.values, std::vector<float>{scale});
  EXPECT_TRUE(validate(*read, "t").ok());
}

constexpr uint16_t kHalf = 0x3800, kQuarter = 0x3400;  // fp16 0.5 and 0.25

TEST(TensorTypes, I2SRunsOverTheEndsOfRows) {
  const auto trits = random_trits(192 * 4, 1);
  expect_matrix(OneTensor({192, 4}, 36, pack_i2_s(trits, 0.3f)).ternary(), trits, 0.3f);
  expect_matrix(OneTensor({192, 4}, 36, pack_i2_s(trits, 0.3f), true).ternary(), trits, 0.3f);
  // Byte 0 holds elements 0, 32, 64 and 96 from its upper bits down.
  std::string bytes = pack_i2_s(std::vector<int8_t>(128), 1);
  bytes[0] = static_cast<char>(0b10'00'01'10);
  const auto read = OneTensor({128}, 36, bytes).ternary();
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->trits[0], 1);
  EXPECT_EQ(read->trits[32], -1);
  EXPECT_EQ(read->trits[64], 0);
  EXPECT_EQ(read->trits[96], 1);
}

TEST(TensorTypes, TernaryQuants) {
  const auto trits = random_trits(512 * 3, 2);
  expect_matrix(OneTensor({512, 3}, 35, pack_tq2_0(trits, kHalf)).ternary(), trits, 0.5f);
  expect_matrix(OneTensor({512, 3}, 34, pack_tq1_0(trits, kHalf)).ternary(), trits, 0.5f);
  expect_matrix(OneTensor({512, 3}, 35, pack_tq2_0(trits, kHalf)).ternary(0.25f), trits, 0.125f);
}

// Element 5k+j of sixteen is digit j of byte k, the least significant first.
TEST(TensorTypes, Iq1Bn) {
  const auto trits = random_trits(128 * 2, 3);
  const auto byte_of = [&](std::vector<int> digits) {
    int u = 0;
    for (size_t i = digits.size(); i-- > 0;) u = 3 * u + digits[i] + 1;
    return static_cast<char>((256 * u + 242) / 243);
  };
  std::string bytes;
  for (size_t row = 0; row < 2; ++row) {
    bytes += le_bytes(kHalf, 2);
    for (size_t first = row * 128; first < row * 128 + 128; first += 64) {
      std::vector<int> extra;
      for (size_t g = 0; g < 4; ++g) {
        for (size_t k = 0; k < 3; ++k) {
          std::vector<int> digits;
          for (size_t j = 0; j < 5; ++j) digits.push_back(trits[first + 16 * g + 5 * k + j]);
          bytes += byte_of(digits);
        }
        extra.push_back(trits[first + 16 * g + 15]);
      }
      bytes += byte_of(extra);
    }
  }
  expect_matrix(OneTensor({128, 2}, 134, bytes).ternary(), trits, 0.5f);
}

TEST(TensorTypes, Iq2BnKeepsScalesOfRowsApart) {
  const auto trits = random_trits(64 * 2, 4);
  const auto packed = [&](float first, float second) {
    std::string bytes;
    for (size_t row = 0; row < 2; ++row) {
      bytes += f32_bytes({row == 0 ? first : second});
      for (size_t j = 0; j < 16; ++j) {
        int byte = 0;
        for (size_t part = 0; part < 4; ++part)
          byte |= (trits[64 * row + 16 * part + j] + 1) << (2 * part);
        bytes += static_cast<char>(byte);
      }
    }
    return bytes;
  };
  expect_matrix(OneTensor({64, 2}, 135, packed(0.7f, 0.7f)).ternary(), trits, 0.7f);
  const auto apart = OneTensor({64, 2}, 135, packed(0.7f, 0.8f)).ternary();
  ASSERT_TRUE(apart.ok()) << apart.status().message();
  EXPECT_EQ(apart->scales.kind, Scales::Kind::kRow);
  EXPECT_EQ(apart->scales.values, (std::vector<float>{0.7f, 0.8f}));
}

std::string pack_q2_0(const std::vector<int8_t>& trits, size_t group,
                      const std::vector<uint16_t>& scales) {
  std::string bytes;
  for (size_t first = 0; first < trits.size(); first += group) {
    bytes += le_bytes(scales[first / group % scales.size()], 2);
    for (size_t j = 0; j < group; j += 4) {
      int byte = 0;
      for (size_t i = 0; i < 4; ++i) byte |= (trits[first + j + i] + 1) << (2 * i);
      bytes += static_cast<char>(byte);
    }
  }
  return bytes;
}

TEST(TensorTypes, SizeTellsPackingsOfOneNumberApart) {
  const auto trits = random_trits(256 * 16, 5);
  const auto of_bytes = [](size_t count, bool is_last = false) {
    return OneTensor({256, 16}, 42, std::string(count, 'x'), is_last).identify();
  };
  for (const uint32_t id : {42u, 43u, 142u})
    expect_matrix(OneTensor({256, 16}, id, pack_q2_0(trits, 128, {kHalf})).ternary(), trits, 0.5f);
  expect_matrix(OneTensor({256, 16}, 42, pack_q2_0(trits, 64, {kHalf})).ternary(), trits, 0.5f);
  EXPECT_EQ(of_bytes(1152)->type->name, "Q2_0");
  EXPECT_EQ(of_bytes(1152, true)->type->name, "Q2_0");
  EXPECT_EQ(of_bytes(1088)->type->name, "Q2_0 with groups of 128");
  // STQ1_0 and I2_V_4 are known by their sizes, and no other size is believed.
  expect_error(of_bytes(672), StatusCode::kUnsupported, {"m.gguf: tensor t", "STQ1_0", "42"});
  expect_error(of_bytes(1024), StatusCode::kUnsupported, {"I2_V_4", "42"});
  expect_error(of_bytes(2000), StatusCode::kUnsupported,
               {"42", "Q2_0 of 1152 bytes", "the next tensor begins after 2016 bytes"});
  expect_error(of_bytes(2000, true), StatusCode::kUnsupported,
               {"42", "the file ends after 2016 bytes"});
  expect_error(OneTensor({256, 16}, 36, std::string(2304, 'x')).identify(),
               StatusCode::kUnsupported, {"IQ4_NL_4_4", "36"});
  // Of 512 elements, 144 and 136 bytes are padded alike.
  expect_error(OneTensor({256, 2}, 42, std::string(144, 'x')).identify(), StatusCode::kUnsupported,
               {"42", "does not tell them apart"});
}

TEST(TensorTypes, RefusesWhatIsNotRead) {
  const auto refuse = [](uint32_t id, size_t bytes, std::initializer_list<std::string> named) {
    const auto result = OneTensor({256, 2}, id, std::string(bytes, '\0')).identify();
    expect_error(result, StatusCode::kUnsupported, {"m.gguf: tensor t"});
    expect_error(result, StatusCode::kUnsupported, named);
  };
  refuse(38, 160, {"TL1", "kernel_config.ini"});
  refuse(39, 272, {"MXFP4", "39"});
  refuse(39, 200, {"39", "TL2"});
  refuse(99, 128, {"99", "not known"});
  refuse(6, 352, {"Q5_0"});
  expect_error(OneTensor({256, 2}, 0, std::string(64, 'x')).identify(), StatusCode::kDataCorrupt,
               {"tensor t", "F32 of 2048 bytes", "the next tensor begins after 64"});
  expect_error(OneTensor({200, 2}, 35, std::string(132, 'x')).identify(), StatusCode::kDataCorrupt,
               {"tensor t", "TQ2_0", "blocks of 256"});
}

TEST(TensorTypes, KeepsScalesOfBlocksApart) {
  auto trits = random_trits(128 * 32, 6);
  const auto read = [&](const std::vector<uint16_t>& scales) {
    return OneTensor({128, 32}, 42, pack_q2_0(trits, 64, scales)).ternary();
  };
  const auto apart = read({kHalf, kQuarter});
  ASSERT_TRUE(apart.ok()) << apart.status().message();
  EXPECT_EQ(apart->scales.kind, Scales::Kind::kGroup);
  EXPECT_EQ(apart->scales.group, 64);
  ASSERT_EQ(apart->scales.values.size(), 64u);
  for (size_t i = 0; i < 64; ++i) EXPECT_EQ(apart->scales.values[i], i % 2 == 0 ? 0.5f : 0.25f);
  EXPECT_TRUE(validate(*apart, "t").ok());
  // The scale of a block of zeros says nothing, a zero included.
  for (size_t i = 0; i < trits.size(); ++i)
    if (i / 64 % 2 == 1) trits[i] = 0;
  expect_matrix(read({kHalf, kQuarter}), trits, 0.5f);
  expect_matrix(read({kHalf, 0}), trits, 0.5f);
}

TEST(TensorTypes, MatricesOfZerosAreLegal) {
  const std::vector<int8_t> zeros(256);
  expect_matrix(OneTensor({256}, 36, pack_i2_s(zeros, 0)).ternary(), zeros, 1e-5f);
  expect_matrix(OneTensor({256}, 36, pack_i2_s(zeros, 0.5f)).ternary(), zeros, 0.5f);
  expect_matrix(OneTensor({256}, 35, pack_tq2_0(zeros, 0)).ternary(), zeros, 1e-5f);
  expect_matrix(OneTensor({256}, 1, std::string(512, '\0')).ternary(), zeros, 1e-5f);
  expect_matrix(OneTensor({256}, 1, std::string(512, '\0')).ternary(0.25f), zeros, 0.25f);
}

TEST(TensorTypes, NamesTheFirstElementThatIsNoTrit) {
  std::string bytes = pack_i2_s(random_trits(256, 7), 1);
  bytes[37] = static_cast<char>(bytes[37] | 0b00'11'00'00);  // element 128 + 32 + 5
  expect_error(OneTensor({128, 2}, 36, bytes).ternary(), StatusCode::kDataCorrupt,
               {"m.gguf: tensor t (I2_S)", "row 1, column 37 holds code 3"});
  for (const float scale : {INFINITY, NAN, -1.0f, 0.0f})
    expect_error(OneTensor({128, 2}, 36, pack_i2_s(random_trits(256, 8), scale)).ternary(),
                 StatusCode::kDataCorrupt, {"tensor t", "the scale is"});
  expect_error(OneTensor({256}, 35, pack_tq2_0(random_trits(256, 9), 0x7e00)).ternary(),
               StatusCode::kDataCorrupt, {"tensor t", "the scale is nan"});
}

TEST(TensorTypes, FloatsAreTernaryOrRefused) {
  std::vector<float> values = {0, 0.25f, -0.25f, 0.25f, -0.0f, 0};
  expect_matrix(OneTensor({3, 2}, 0, f32_bytes(values)).ternary(), {0, 1, -1, 1, 0, 0}, 0.25f);
  expect_matrix(OneTensor({3, 2}, 0, f32_bytes(values)).ternary(3), {0, 1, -1, 1, 0, 0}, 0.75f);
  values[4] = 0.125f;
  expect_error(OneTensor({3, 2}, 0, f32_bytes(values)).ternary(), StatusCode::kDataCorrupt,
               {"tensor t (F32)", "row 1, column 1 is 0.125", "+-0.25"});
  values[4] = NAN;
  expect_error(OneTensor({3, 2}, 0, f32_bytes(values)).ternary(), StatusCode::kDataCorrupt,
               {"row 1, column 1 is nan"});
}

TEST(TensorTypes, Q8AndQ4AreExact) {
  std::string bytes = le_bytes(kQuarter, 2);
  for (int i = 0; i < 32; ++i) bytes += static_cast<char>(i - 128);
  const auto table = OneTensor({32}, 8, bytes).table();
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->type, FloatType::kF32);
  const auto* values = reinterpret_cast<const float*>(table->bytes.data());
  for (int i = 0; i < 32; ++i) EXPECT_EQ(values[i], 0.25f * static_cast<float>(i - 128));

  bytes = le_bytes(kQuarter, 2);
  for (int j = 0; j < 16; ++j) bytes += static_cast<char>(j | ((15 - j) << 4));
  const auto q4 = OneTensor({32}, 2, bytes).table();
  ASSERT_TRUE(q4.ok()) << q4.status().message();
  values = reinterpret_cast<const float*>(q4->bytes.data());
  for (int j = 0; j < 16; ++j) {
    EXPECT_EQ(values[j], 0.25f * static_cast<float>(j - 8));
    EXPECT_EQ(values[16 + j], 0.25f * static_cast<float>(7 - j));
  }
  // Ternary numbers in Q4_0 lose the magnitude of one sign: 7/8 of it.
  expect_error(OneTensor({32}, 2, bytes).ternary(), StatusCode::kDataCorrupt,
               {"tensor t (Q4_0): is not ternary"});
}

// One element of every sub-block by the formula of the format.
TEST(TensorTypes, KQuants) {
  std::mt19937_64 random(10);
  std::string q6(210, '\0'), q4(144, '\0');
  for (char& byte : q6) byte = static_cast<char>(random());
  for (char& byte : q4) byte = static_cast<char>(random());
  q6.replace(208, 2, le_bytes(0x2c66, 2));
  q4.replace(0, 4, le_bytes(0x2c66, 2) + le_bytes(0x2a11, 2));
  const auto at = [](const std::string& bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); };

  const auto six = OneTensor({256}, 14, q6).table();
  ASSERT_TRUE(six.ok()) << six.status().message();
  const auto* values = reinterpret_cast<const float*>(six->bytes.data());
  const double d = math::widen_f16(0x2c66), dmin = math::widen_f16(0x2a11);
  for (size_t e = 0; e < 256; ++e) {
    const size_t half = e / 128, quarter = e % 128 / 32, l = e % 32;
    const int low = at(q6, 64 * half + 32 * (quarter % 2) + l) >> (4 * (quarter / 2)) & 15;
    const int high = at(q6, 128 + 32 * half + l) >> (2 * quarter) & 3;
    const auto factor = static_cast<int8_t>(at(q6, 192 + e / 16));
    EXPECT_EQ(double{values[e]}, d * factor * ((low | high << 4) - 32)) << e;
  }

  const auto four = OneTensor({256}, 12, q4).table();
  ASSERT_TRUE(four.ok()) << four.status().message();
  values = reinterpret_cast<const float*>(four->bytes.data());
  for (size_t e = 0; e < 256; ++e) {
    const size_t j = e / 32;
    const auto s = [&](size_t i) { return int{at(q4, 4 + i)}; };
    const int factor = j < 4 ? s(j) & 63 : (s(j + 4) & 15) | (s(j - 4) >> 6) << 4;
    const int minimum = j < 4 ? s(j + 4) & 63 : s(j + 4) >> 4 | (s(j) >> 6) << 4;
    const int q = at(q4, 16 + e / 64 * 32 + e % 32) >> (4 * (j % 2)) & 15;
    EXPECT_EQ(values[e], static_cast<float>(d * factor * q - dmin * minimum)) << e;
  }
}

TEST(TensorTypes, TernaryTablesAreExactInFp16) {
  const auto trits = random_trits(128 * 32, 11);
  const auto table = OneTensor({128, 32}, 42, pack_q2_0(trits, 64, {0x3801, kQuarter})).table();
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->type, FloatType::kF16);
  const auto* values = reinterpret_cast<const uint16_t*>(table->bytes.data());
  for (size_t i = 0; i < trits.size(); ++i)
    EXPECT_EQ(math::widen_f16(values[i]),
              static_cast<float>(trits[i]) * math::widen_f16(i / 64 % 2 == 0 ? 0x3801 : kQuarter));
  expect_error(OneTensor({128, 32}, 36, pack_i2_s(trits, 1)).table(), StatusCode::kUnsupported,
               {"tensor t", "I2_S"});
}

// File row 2i + h of a head was row h * head_dim/2 + i.
TEST(RestoreRotatedRows, PutsHalvesOfHeadsTogether) {
  TernaryMatrix matrix{.n = 8, .k = 1, .trits = {0, 1, 0, -1, 1, 0, -1, 1}, .scales = {}};
  matrix.scales = {.kind = Scales::Kind::kRow, .values = {0, 1, 2, 3, 4, 5, 6, 7}};
  restore_rotated_rows(&matrix, 2);
  EXPECT_EQ(matrix.trits, (std::vector<int8_t>{0, 0, 1, -1, 1, -1, 0, 1}));
  EXPECT_EQ(matrix.scales.values, (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
}

}  // namespace
}  // namespace bitnetc::test
