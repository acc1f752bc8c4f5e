#include "tests/support/problem.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "codegen/reference/reference.h"
#include "runtime/math.h"

namespace bitnetc::test {
namespace {

constexpr float kUntouched = -7.25e30f;

// What stands in row_absmax before a call: nothing yet, or outputs of other tiles that are less or
// more than any.
float row_absmax_before(int64_t token) {
  constexpr float kBefore[] = {0.0f, 1e-3f, 1e30f};
  return kBefore[token % 3];
}

size_t table_bytes(const MatmulSpec& spec, TableForm form) {
  if (form == TableForm::kNone) return 0;
  const TablesSpec tables{.k = spec.k, .layout = spec.layout, .form = form};
  return static_cast<size_t>(tables.table_bytes());
}

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

int32_t dot(const int16_t* x, const int16_t* w, int64_t k) {
  int32_t sum = 0;
  for (int64_t i = 0; i < k; ++i) sum += x[i] * w[i];
  return sum;
}

}  // namespace

MatmulProblem::MatmulProblem(const MatmulSpec& spec, const ProblemOptions& options)
    : spec_(spec),
      options_(options),
      tokens_(spec.m == kAnyM ? options.m : spec.m),
      x_stride_(spec.padded_k() + options.x_gap),
      y_stride_(spec.output_columns() + options.y_gap),
      x_(static_cast<size_t>(tokens_ * x_stride_ - options.x_gap), options.edge),
      w_(static_cast<size_t>(spec.weight_layout().total_bytes()), options.edge),
      tables_(table_bytes(spec, options.table_form), options.edge),
      y_(static_cast<size_t>(tokens_ * y_stride_ - options.y_gap), options.edge),
      residual_(spec.epilogue == Epilogue::kResidual ? y_.size() : 0, options.edge),
      x_scale_(static_cast<size_t>(tokens_), options.edge),
      tile_scale_(static_cast<size_t>(spec.weight_layout().tiles()), options.edge),
      row_absmax_(spec.row_absmax ? static_cast<size_t>(tokens_) : 0, options.edge),
      x_sum_(static_cast<size_t>(tokens_), options.edge),
      confirmed_(static_cast<size_t>(tiles() / unit_tiles())),
      expected_(y_.size(), kUntouched) {
  fill_activations(options);
  fill_floats(options.seed);
  if (options.table_form != TableForm::kNone) {
    BITNETC_CHECK(tokens_ == 1, "tables of {} tokens", tokens_);
    const TablesSpec tables{.k = spec.k, .layout = spec.layout, .form = options.table_form};
    reference::build_tables(
        tables,
        {.x = x_.data(), .tables = tables_.data(), .block_begin = 0, .block_end = tables.blocks()});
  }
  reset_output();
}

// ---- operands

void MatmulProblem::fill_activations(const ProblemOptions& options) {
  std::mt19937 random(static_cast<uint32_t>(options.seed) + 1);
  wide_x_.resize(static_cast<size_t>(tokens_ * spec_.k));
  for (int64_t m = 0; m < tokens_; ++m) {
    int32_t sum = 0;
    for (int64_t k = 0; k < spec_.k; ++k) {
      int value = 0;
      switch (options.activations) {
        case Activations::kRandom: value = static_cast<int>(random() % 256) - 128; break;
        case Activations::kAlternating127: value = (k + m) % 2 == 0 ? 127 : -127; break;
        case Activations::kAll127: value = 127; break;
        case Activations::kAllMinus128: value = -128; break;
      }
      x_[static_cast<size_t>(m * x_stride_ + k)] = static_cast<int8_t>(value);
      wide_x_[static_cast<size_t>(m * spec_.k + k)] = static_cast<int16_t>(value);
      sum += value;
    }
    x_sum_[static_cast<size_t>(m)] = sum;
  }
}

void MatmulProblem::fill_floats(uint64_t seed) {
  std::mt19937 random(static_cast<uint32_t>(seed) + 2);
  std::uniform_real_distribution<float> around_one(0.5f, 2.0f), small(-1e3f, 1e3f);
  for (float& scale : x_scale_) scale = around_one(random) / 127.0f;
  for (float& scale : tile_scale_) scale = around_one(random);
  for (float& value : residual_) value = small(random);
}

std::vector<int8_t> MatmulProblem::make_trits(int64_t tile) const {
  std::mt19937_64 random(options_.seed * 1000003 + static_cast<uint64_t>(tile));
  std::vector<int8_t> trits(static_cast<size_t>(kTileRows * spec_.k));
  uint64_t word = 0;
  for (size_t i = 0; i < trits.size(); ++i) {
    if (i % 32 == 0) word = random();
    switch (options_.weights) {
      case Weights::kAllMinus: trits[i] = -1; break;
      case Weights::kAllZero: trits[i] = 0; break;
      case Weights::kAllPlus: trits[i] = 1; break;
      case Weights::kRandom: {
        const unsigned code = word >> (2 * (i % 32)) & 3U;
        trits[i] = static_cast<int8_t>(code == 3 ? 0 : static_cast<int>(code) - 1);
      }
    }
  }
  return trits;
}

void MatmulProblem::make_tiles(int64_t begin, int64_t end) {
  const int64_t rows = options_.rows == 0 ? spec_.n : options_.rows;
  for (int64_t tile = begin; tile < end; ++tile) {
    if (sums_.contains(tile)) continue;
    // The rows past the matrix are left to the packer.
    const int64_t tile_rows = std::clamp<int64_t>(rows - tile * kTileRows, 0, kTileRows);
    std::vector<int8_t> trits = make_trits(tile);
    std::fill(trits.begin() + tile_rows * spec_.k, trits.end(), int8_t{0});
    const WeightLayout layout{
        .id = spec_.layout, .n = std::max<int64_t>(tile_rows, 1), .k = spec_.k};
    const auto bytes = static_cast<size_t>(layout.tile_bytes());
    const Status status =
        pack(layout, {trits.data(), static_cast<size_t>(layout.n * spec_.k)},
             std::span<uint8_t>(w_.data() + static_cast<size_t>(tile) * bytes, bytes));
    BITNETC_CHECK(status.ok(), "{}", status.message());
    sums_[tile] = plain_sums(trits);
  }
}

MatmulProblem::Sums MatmulProblem::plain_sums(const std::vector<int8_t>& trits) const {
  const std::vector<int16_t> wide(trits.begin(), trits.end());
  Sums sums(static_cast<size_t>(tokens_ * kTileRows));
  for (int64_t token = 0; token < tokens_; ++token)
    for (int64_t row = 0; row < kTileRows; ++row)
      sums[static_cast<size_t>(token * kTileRows + row)] =
          dot(&wide_x_[static_cast<size_t>(token * spec_.k)],
              &wide[static_cast<size_t>(row * spec_.k)], spec_.k);
  return sums;
}

void MatmulProblem::reset_output() {
  for (float& value : y_) value = kUntouched;
  reset_row_absmax();
}

void MatmulProblem::reset_row_absmax() {
  for (size_t token = 0; token < row_absmax_.size(); ++token)
    row_absmax_[token] = row_absmax_before(static_cast<int64_t>(token));
}

int64_t MatmulProblem::first_token(int64_t tokens) const {
  return tokens == 0 || options_.edge == Edge::kBegin ? 0 : tokens_ - tokens;
}

MatmulArgs MatmulProblem::args(int64_t tile_begin, int64_t tile_end, int64_t tokens) {
  make_tiles(tile_begin, tile_end);
  const int64_t first = first_token(tokens);
  const bool reads_residual = spec_.epilogue == Epilogue::kResidual;
  return {.x = x_.data() + first * x_stride_,
          .tables = tables_.data(),
          .w = w_.data(),
          .y = y_.data() + first * y_stride_,
          .x_scale = x_scale_.data() + first,
          .x_sum = x_sum_.data() + first,
          .tile_scale = tile_scale_.data(),
          .residual = reads_residual ? residual_.data() + first * y_stride_ : nullptr,
          .x_stride = x_stride_,
          .y_stride = y_stride_,
          .tile_begin = tile_begin,
          .tile_end = tile_end,
          .m = tokens == 0 ? tokens_ : tokens,
          .row_absmax = spec_.row_absmax ? row_absmax_.data() + first : nullptr};
}

// ---- answers. A unit is one tile, or the gate and up tile that make one tile of outputs.

float MatmulProblem::product(int64_t token, int64_t tile, int64_t row) const {
  const int32_t sum = sums_.at(tile)[static_cast<size_t>(token * kTileRows + row)];
  const float factor =
      x_scale_[static_cast<size_t>(token)] * tile_scale_[static_cast<size_t>(tile)];
  return static_cast<float>(sum) * factor;
}

float MatmulProblem::output(int64_t token, int64_t unit, int64_t row) const {
  if (spec_.epilogue == Epilogue::kScale) return product(token, unit, row);
  if (spec_.epilogue == Epilogue::kResidual) {
    return residual_[static_cast<size_t>(token * y_stride_ + unit * kTileRows + row)] +
           product(token, unit, row);
  }
  const float gate = product(token, 2 * unit, row), up = product(token, 2 * unit + 1, row);
  if (spec_.epilogue == Epilogue::kSiluMul) return math::silu_f32(gate) * up;
  if (spec_.epilogue == Epilogue::kGeluMul) return math::gelu_f32(gate) * up;
  const float positive = gate > 0 ? gate : 0.0f;
  return positive * positive * up;
}

std::string MatmulProblem::describe(const char* who, int64_t token, int64_t column, float got,
                                    float expected) const {
  return fmt::format("{}, seed {}: y[{}][{}] is {} ({:08x}), {} says {} ({:08x})", spec_name(spec_),
                     options_.seed, token, column, got, bits_of(got), who, expected,
                     bits_of(expected));
}

// The plain loop against the reference, for the first and the last token.
std::string MatmulProblem::check_against_reference(int64_t unit) {
  MatmulSpec one = spec_;
  one.m = 1;
  std::vector<float> row(static_cast<size_t>(spec_.output_columns()));
  for (const int64_t token : {int64_t{0}, tokens_ - 1}) {
    MatmulArgs token_args = args(unit * unit_tiles(), (unit + 1) * unit_tiles());
    token_args.x += token * x_stride_;
    token_args.x_scale += token;
    token_args.x_sum += token;
    if (token_args.residual != nullptr) token_args.residual += token * y_stride_;
    token_args.y = row.data();
    float most = 0, plain_most = 0;
    token_args.row_absmax = &most;
    reference::matmul(one, token_args);
    for (int64_t r = 0; r < kTileRows; ++r) {
      const int64_t column = unit * kTileRows + r;
      const float reference = row[static_cast<size_t>(column)];
      const float plain = output(token, unit, r);
      if (bits_of(reference) != bits_of(plain))
        return "the answers differ: " + describe("the plain loop", token, column, reference, plain);
      plain_most = std::max(plain_most, std::fabs(plain));
    }
    if (spec_.row_absmax && most != plain_most)
      return fmt::format("the answers differ: row_absmax[{}] is {}, the plain loop says {}", token,
                         most, plain_most);
  }
  confirmed_[static_cast<size_t>(unit)] = true;
  return {};
}

std::string MatmulProblem::first_difference(int64_t first_token) const {
  if (std::memcmp(y_.data(), expected_.data(), y_.size() * sizeof(float)) == 0) return {};
  size_t at = 0;
  while (bits_of(y_[at]) == bits_of(expected_[at])) ++at;
  const auto stride = static_cast<size_t>(y_stride_);
  return describe("the plain loop", static_cast<int64_t>(at / stride) - first_token,
                  static_cast<int64_t>(at % stride), y_[at], expected_[at]);
}

std::string MatmulProblem::check_row_absmax(int64_t unit_begin, int64_t unit_end, int64_t first,
                                            int64_t last) const {
  for (int64_t token = 0; token < std::ssize(row_absmax_); ++token) {
    float most = row_absmax_before(token);
    for (int64_t unit = unit_begin; first <= token && token < last && unit < unit_end; ++unit)
      for (int64_t row = 0; row < kTileRows; ++row)
        most = std::max(most, std::fabs(output(token, unit, row)));
    const float got = row_absmax_[static_cast<size_t>(token)];
    if (bits_of(got) != bits_of(most))
      return fmt::format("{}, seed {}: row_absmax[{}] is {}, the plain loop says {}",
                         spec_name(spec_), options_.seed, token, got, most);
  }
  return row_absmax_.slack_intact() ? "" : spec_name(spec_) + ": wrote outside row_absmax";
}

std::string MatmulProblem::check(int64_t tile_begin, int64_t tile_end, int64_t tokens) {
  const int64_t unit_begin = tile_begin / unit_tiles(), unit_end = tile_end / unit_tiles();
  const int64_t first = first_token(tokens), last = first + (tokens == 0 ? tokens_ : tokens);
  for (int64_t unit = unit_begin; unit < unit_end; ++unit) {
    if (confirmed_[static_cast<size_t>(unit)]) continue;
    if (std::string wrong = check_against_reference(unit); !wrong.empty()) return wrong;
    // The reference is slow, and its tiles are alike.
    if (unit > unit_begin + 1) break;
  }
  const auto for_each_output = [&](auto body) {
    for (int64_t token = first; token < last; ++token)
      for (int64_t unit = unit_begin; unit < unit_end; ++unit)
        for (int64_t row = 0; row < kTileRows; ++row)
          body(static_cast<size_t>(token * y_stride_ + unit * kTileRows + row), token, unit, row);
  };
  for_each_output([&](size_t at, int64_t token, int64_t unit, int64_t row) {
    expected_[at] = output(token, unit, row);
  });
  // Everywhere: outside the range y must hold the pattern still.
  std::string wrong = first_difference(first);
  if (wrong.empty()) wrong = check_row_absmax(unit_begin, unit_end, first, last);
  for_each_output(
      [&](size_t at, int64_t, int64_t, int64_t) { y_[at] = expected_[at] = kUntouched; });
  reset_row_absmax();
  if (!wrong.empty()) {
    reset_output();
    return wrong;
  }
  if (!y_.slack_intact()) return spec_name(spec_) + ": wrote outside y";
  return {};
}

}  // namespace bitnetc::test
