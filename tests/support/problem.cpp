#include "tests/support/problem.h"

#include <cstring>
#include <random>

#include "codegen/reference/reference.h"

namespace bitnetc::test {
namespace {

constexpr float kUntouched = -7.25e30f;

// Every byte, with codes 3 turned into 1: valid i2_s bytes at the speed of a table look-up.
std::vector<uint8_t> valid_bytes() {
  std::vector<uint8_t> table(256);
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned valid = 0;
    for (int p = 0; p < 4; ++p) {
      const unsigned code = byte >> (2 * p) & 3U;
      valid |= (code == 3 ? 1U : code) << (2 * p);
    }
    table[byte] = static_cast<uint8_t>(valid);
  }
  return table;
}

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

}  // namespace

MatmulProblem::MatmulProblem(const MatmulSpec& spec, const ProblemOptions& options)
    : spec_(spec),
      x_stride_(spec.weight_layout().padded_k()),
      y_stride_(spec.output_columns()),
      x_(static_cast<size_t>(spec.m * x_stride_), options.edge),
      w_(static_cast<size_t>(spec.weight_layout().total_bytes()), options.edge),
      y_(static_cast<size_t>(spec.m * y_stride_), options.edge),
      residual_(static_cast<size_t>(spec.m * y_stride_), options.edge),
      x_step_(static_cast<size_t>(spec.m), options.edge),
      tile_scale_(static_cast<size_t>(spec.weight_layout().tiles()), options.edge),
      x_sum_(static_cast<size_t>(spec.m), options.edge) {
  fill_weights(options);
  fill_activations(options);
  fill_floats(options.seed);
  reset_output();
}

void MatmulProblem::fill_weights(const ProblemOptions& options) {
  switch (options.weights) {
    case Weights::kAllMinus: std::memset(w_.data(), 0b00000000, w_.size()); return;
    case Weights::kAllZero: std::memset(w_.data(), 0b01010101, w_.size()); return;
    case Weights::kAllPlus: std::memset(w_.data(), 0b10101010, w_.size()); return;
    case Weights::kRandom: break;
  }
  static const std::vector<uint8_t> table = valid_bytes();
  std::mt19937_64 random(options.seed);
  uint64_t word = 0;
  for (size_t i = 0; i < w_.size(); ++i) {
    if (i % 8 == 0) word = random();
    w_[i] = table[word >> (8 * (i % 8)) & 0xff];
  }
}

void MatmulProblem::fill_activations(const ProblemOptions& options) {
  std::mt19937 random(static_cast<uint32_t>(options.seed) + 1);
  for (int m = 0; m < spec_.m; ++m) {
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
      sum += value;
    }
    x_sum_[static_cast<size_t>(m)] = sum;
  }
}

void MatmulProblem::fill_floats(uint64_t seed) {
  std::mt19937 random(static_cast<uint32_t>(seed) + 2);
  std::uniform_real_distribution<float> around_one(0.5f, 2.0f), small(-1e3f, 1e3f);
  for (float& step : x_step_) step = around_one(random) / 127.0f;
  for (float& scale : tile_scale_) scale = around_one(random);
  for (float& value : residual_) value = small(random);
}

void MatmulProblem::reset_output() {
  for (float& value : y_) value = kUntouched;
}

MatmulArgs MatmulProblem::args(int64_t tile_begin, int64_t tile_end) {
  return {.x = x_.data(),
          .w = w_.data(),
          .y = y_.data(),
          .x_step = x_step_.data(),
          .x_sum = x_sum_.data(),
          .tile_scale = tile_scale_.data(),
          .residual = spec_.epilogue == Epilogue::kResidual ? residual_.data() : nullptr,
          .x_stride = x_stride_,
          .y_stride = y_stride_,
          .tile_begin = tile_begin,
          .tile_end = tile_end};
}

// The layout page once more, written from its bit diagram.
int MatmulProblem::trit(int64_t n, int64_t k) const {
  const int64_t groups = (spec_.k + 15) / 16;
  const int64_t byte = ((n / 16) * groups + k / 16) * 64 + (n % 16) * 4 + k % 4;
  return (w_[static_cast<size_t>(byte)] >> (2 * (k % 16 / 4)) & 3) - 1;
}

float MatmulProblem::plain_product(int m, int64_t n) const {
  int64_t sum = 0;
  for (int64_t k = 0; k < spec_.k; ++k)
    sum += x_[static_cast<size_t>(m * x_stride_ + k)] * trit(n, k);
  const float factor = x_step_[static_cast<size_t>(m)] * tile_scale_[static_cast<size_t>(n / 16)];
  return static_cast<float>(sum) * factor;
}

float MatmulProblem::plain_output(int m, int64_t column) const {
  switch (spec_.epilogue) {
    case Epilogue::kScale: return plain_product(m, column);
    case Epilogue::kResidual:
      return residual_[static_cast<size_t>(m * y_stride_ + column)] + plain_product(m, column);
    case Epilogue::kRelu2Mul: break;
  }
  const int64_t gate_row = column / 16 * 32 + column % 16;
  const float gate = plain_product(m, gate_row);
  const float positive = gate > 0 ? gate : 0.0f;
  return positive * positive * plain_product(m, gate_row + 16);
}

std::string MatmulProblem::compare(const std::vector<float>& expected, const char* who,
                                   int64_t column_begin, int64_t column_end) const {
  for (int m = 0; m < spec_.m; ++m) {
    for (int64_t column = column_begin; column < column_end; ++column) {
      const size_t at = static_cast<size_t>(m * y_stride_ + column);
      if (bits_of(y_[at]) != bits_of(expected[at])) {
        return fmt::format("{}: y[{}][{}] is {} ({:08x}), {} says {} ({:08x})", spec_name(spec_), m,
                           column, y_[at], bits_of(y_[at]), who, expected[at],
                           bits_of(expected[at]));
      }
    }
  }
  return {};
}

std::string MatmulProblem::check(int64_t tile_begin, int64_t tile_end) {
  const int64_t tile_columns = spec_.epilogue == Epilogue::kRelu2Mul ? kTileRows / 2 : kTileRows;
  const int64_t begin = tile_begin * tile_columns, end = tile_end * tile_columns;
  std::vector<float> expected(y_.size(), kUntouched);
  MatmulArgs reference_args = args(tile_begin, tile_end);
  reference_args.y = expected.data();
  reference::matmul(spec_, reference_args);
  // Everywhere: outside the range both must hold the pattern still.
  if (std::string difference = compare(expected, "the reference", 0, y_stride_);
      !difference.empty())
    return difference;
  for (int m = 0; m < spec_.m; ++m)
    for (int64_t column = begin; column < end; ++column)
      expected[static_cast<size_t>(m * y_stride_ + column)] = plain_output(m, column);
  if (std::string difference = compare(expected, "the plain loop", begin, end); !difference.empty())
    return difference;
  if (!y_.slack_intact()) return spec_name(spec_) + ": wrote outside y";
  return {};
}

}  // namespace bitnetc::test
