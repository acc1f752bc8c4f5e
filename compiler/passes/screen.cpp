#include "compiler/passes/screen.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "codegen/kernel_spec.h"
#include "runtime/math.h"
#include "runtime/screen.h"

namespace bitnetc {
namespace {

constexpr size_t kLanes = 64;
// Where the codes end, in root mean squares of a row. A wide range makes all steps larger, a narrow
// one cuts more weights off; which is better depends on the tails of the row.
constexpr float kRanges[] = {2.7f, 3.0f, 3.4f, 4.0f};
constexpr float kMostCode = 63;
constexpr float kNoRange = std::numeric_limits<float>::infinity();
// Covers the rounding of the sums of squares below, K / 64 + 10 additions of a lane for K <= 2^17.
constexpr double kSumSlack = 1 + 0x1p-12;

// Norms of what codes of four and of six bits leave of a row.
struct Errors {
  double coarse = 0, fine = 0;
};

float round_up_to_float(double x) {
  const auto rounded = static_cast<float>(x);
  return rounded >= x ? rounded : std::nextafter(rounded, kNoRange);
}

// With 16 significant bits, so that a step times a code is exact.
float short_step(float step) {
  int exponent = 0;
  const float mantissa = std::frexp(step, &exponent);
  return std::ldexp(std::rint(std::ldexp(mantissa, 16)), exponent - 16);
}

// One row, padded with zeros to whole blocks.
class RowCoder {
 public:
  RowCoder(const FloatTable& table, HeadScreen& screen)
      : table_(table),
        spec_{.n = table.rows, .k = table.columns},
        fine_spec_{.n = table.rows, .k = table.columns, .part = ScreenPart::kFine},
        slack_(screen_slack(table.columns)),
        values_(static_cast<size_t>(spec_.padded_k())),
        codes_(values_.size()),
        screen_(screen) {}

  bool add(int64_t row);

 private:
  Errors errors(float step) const;
  void encode(float step);
  void store(int64_t row) const;

  const FloatTable& table_;
  const ScreenSpec spec_, fine_spec_;
  const double slack_;
  std::vector<float> values_;
  std::vector<uint8_t> codes_;
  HeadScreen& screen_;
};

// The nearest code, by truncation of what is half more: no call, and four at once.
uint8_t code_of(float value, float per_code) {
  const float half_more = value * per_code + (kMostCode + 1) / 2;
  return static_cast<uint8_t>(static_cast<int>(std::min(std::max(half_more, 0.0f), kMostCode)));
}

// The loops have no branch and independent lanes, so that the compiler works on vectors.
Errors RowCoder::errors(float step) const {
  float coarse[kLanes] = {}, fine[kLanes] = {};
  const float per_code = 0.5f / step;
  const auto add = [&](const float* values, size_t count) {
    for (size_t j = 0; j < count; ++j) {
      const int code = code_of(values[j], per_code);
      const float fine_rest = values[j] - step * static_cast<float>(2 * code - 63);
      const float coarse_rest = values[j] - step * static_cast<float>(8 * (code >> 2) - 60);
      fine[j] += fine_rest * fine_rest;
      coarse[j] += coarse_rest * coarse_rest;
    }
  };
  const auto columns = static_cast<size_t>(table_.columns);
  size_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) add(values_.data() + i, kLanes);
  add(values_.data() + i, columns - i);
  Errors sums;
  for (size_t j = 0; j < kLanes; ++j) {
    sums.coarse += static_cast<double>(coarse[j]);
    sums.fine += static_cast<double>(fine[j]);
  }
  return {.coarse = std::sqrt(sums.coarse * kSumSlack), .fine = std::sqrt(sums.fine * kSumSlack)};
}

void RowCoder::encode(float step) {
  const float per_code = 0.5f / step;
  for (size_t i = 0; i < values_.size(); ++i) codes_[i] = code_of(values_[i], per_code);
}

void RowCoder::store(int64_t row) const {
  const auto coarse_bytes = static_cast<size_t>(spec_.block_bytes());
  const auto fine_bytes = static_cast<size_t>(fine_spec_.block_bytes());
  uint8_t* coarse = screen_.coarse.data() + row * spec_.row_bytes();
  uint8_t* fine = screen_.fine.data() + row * fine_spec_.row_bytes();
  for (size_t i = 0; i < codes_.size(); i += kScreenBlock) {
    const uint8_t* const block = codes_.data() + i;
    for (size_t b = 0; b < coarse_bytes; ++b)
      *coarse++ = static_cast<uint8_t>(block[b] >> 2 | (block[b + coarse_bytes] >> 2) << 4);
    for (size_t b = 0; b < fine_bytes; ++b) {
      int byte = 0;
      for (size_t f = 0; f < 4; ++f) byte |= (block[b + f * fine_bytes] & 3) << (2 * f);
      *fine++ = static_cast<uint8_t>(byte);
    }
  }
}

// Whether the row can be screened.
bool RowCoder::add(int64_t row) {
  const int64_t row_bytes = table_.columns * element_bytes(element_type(table_.type));
  math::widen(table_.type, table_.bytes.data() + row * row_bytes, table_.columns, values_.data());
  double squares = 0;
  for (const float value : values_)
    squares += static_cast<double>(value) * static_cast<double>(value);
  const double norm = std::sqrt(squares) * kSumSlack;
  if (!(norm < kMostRowNorm)) return false;

  float best_step = 0;
  Errors best{.coarse = norm, .fine = norm};
  if (norm >= kLeastRowNorm) {
    const double rms = norm / std::sqrt(static_cast<double>(table_.columns));
    for (const float range : kRanges) {
      const float step = short_step(static_cast<float>(rms * range / kMostCode));
      const Errors tried = errors(step);
      if (best_step != 0 && tried.coarse + 2 * tried.fine >= best.coarse + 2 * best.fine) continue;
      best_step = step;
      best = tried;
    }
    encode(best_step);
  } else {
    std::ranges::fill(codes_, uint8_t{0});
  }
  store(row);
  const auto with_slack = [&](double error) {
    return round_up_to_float(error + slack_ * (norm + error) + kSubnormalError);
  };
  screen_.step[static_cast<size_t>(row)] = best_step;
  screen_.coarse_error[static_cast<size_t>(row)] = with_slack(best.coarse);
  screen_.fine_error[static_cast<size_t>(row)] = with_slack(best.fine);
  return true;
}

}  // namespace

std::optional<HeadScreen> make_screen(const FloatTable& table) {
  const ScreenSpec coarse{.n = table.rows, .k = table.columns};
  ScreenSpec fine = coarse;
  fine.part = ScreenPart::kFine;
  if (!validate(KernelSpec(coarse)).ok()) return std::nullopt;
  const auto rows = static_cast<size_t>(table.rows);
  HeadScreen screen{.coarse = std::vector<uint8_t>(rows * static_cast<size_t>(coarse.row_bytes())),
                    .fine = std::vector<uint8_t>(rows * static_cast<size_t>(fine.row_bytes())),
                    .step = std::vector<float>(rows),
                    .coarse_error = std::vector<float>(rows),
                    .fine_error = std::vector<float>(rows)};
  RowCoder coder(table, screen);
  for (int64_t row = 0; row < table.rows; ++row)
    if (!coder.add(row)) return std::nullopt;
  return screen;
}

}  // namespace bitnetc
