#include "tests/support/problem.h"

#include <cstring>
#include <random>

#include "codegen/reference/reference.h"
#include "runtime/buffer.h"
#include "runtime/math.h"

namespace bitnetc::test {
namespace {

constexpr float kUntouched = -7.25e30f;

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

}  // namespace

MatmulProblem::MatmulProblem(const MatmulSpec& spec, const ProblemOptions& options)
    : spec_(spec),
      tokens_(spec.m == kAnyM ? options.m : spec.m),
      x_stride_(static_cast<int64_t>(round_up(static_cast<size_t>(spec.k), kQuantPad))),
      y_stride_(spec.output_columns()),
      trits_(static_cast<size_t>(spec.n * spec.k)),
      x_(static_cast<size_t>(tokens_ * x_stride_), options.edge),
      w_(static_cast<size_t>(spec.weight_layout().total_bytes()), options.edge),
      tables_(table_bytes(spec, options.table_form), options.edge),
      y_(static_cast<size_t>(tokens_ * y_stride_), options.edge),
      residual_(static_cast<size_t>(tokens_ * y_stride_), options.edge),
      x_step_(static_cast<size_t>(tokens_), options.edge),
      tile_scale_(static_cast<size_t>(spec.weight_layout().tiles()), options.edge),
      x_sum_(static_cast<size_t>(tokens_), options.edge) {
  fill_weights(options);
  fill_activations(options);
  fill_floats(options.seed);
  if (options.table_form != TableForm::kNone) {
    const TablesSpec tables{.k = spec.k, .layout = spec.layout, .form = options.table_form};
    reference::build_tables(
        tables,
        {.x = x_.data(), .tables = tables_.data(), .block_begin = 0, .block_end = tables.blocks()});
  }
  reset_output();
}

void MatmulProblem::fill_weights(const ProblemOptions& options) {
  std::mt19937_64 random(options.seed);
  uint64_t word = 0;
  for (size_t i = 0; i < trits_.size(); ++i) {
    if (i % 32 == 0) word = random();
    switch (options.weights) {
      case Weights::kAllMinus: trits_[i] = -1; break;
      case Weights::kAllZero: trits_[i] = 0; break;
      case Weights::kAllPlus: trits_[i] = 1; break;
      case Weights::kRandom: {
        const unsigned code = word >> (2 * (i % 32)) & 3U;
        trits_[i] = static_cast<int8_t>(code == 3 ? 0 : static_cast<int>(code) - 1);
      }
    }
  }
  const Status status =
      pack(spec_.weight_layout(), trits_, std::span<uint8_t>(w_.data(), w_.size()));
  BITNETC_CHECK(status.ok(), "{}", status.message());
}

void MatmulProblem::fill_activations(const ProblemOptions& options) {
  std::mt19937 random(static_cast<uint32_t>(options.seed) + 1);
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
          .tables = tables_.data(),
          .w = w_.data(),
          .y = y_.data(),
          .x_step = x_step_.data(),
          .x_sum = x_sum_.data(),
          .tile_scale = tile_scale_.data(),
          .residual = spec_.epilogue == Epilogue::kResidual ? residual_.data() : nullptr,
          .x_stride = x_stride_,
          .y_stride = y_stride_,
          .tile_begin = tile_begin,
          .tile_end = tile_end,
          .m = tokens_};
}

float MatmulProblem::plain_product(int64_t m, int64_t n) const {
  int32_t sum = 0;
  const int8_t* x = &x_[static_cast<size_t>(m * x_stride_)];
  const int8_t* row = &trits_[static_cast<size_t>(n * spec_.k)];
  for (int64_t k = 0; k < spec_.k; ++k) sum += x[k] * row[k];
  const float factor = x_step_[static_cast<size_t>(m)] * tile_scale_[static_cast<size_t>(n / 16)];
  return static_cast<float>(sum) * factor;
}

float MatmulProblem::plain_output(int64_t m, int64_t column) const {
  if (spec_.epilogue == Epilogue::kScale) return plain_product(m, column);
  if (spec_.epilogue == Epilogue::kResidual)
    return residual_[static_cast<size_t>(m * y_stride_ + column)] + plain_product(m, column);
  const int64_t gate_row = column / 16 * 32 + column % 16;
  const float gate = plain_product(m, gate_row), up = plain_product(m, gate_row + 16);
  if (spec_.epilogue == Epilogue::kSiluMul) return math::silu_f32(gate) * up;
  if (spec_.epilogue == Epilogue::kGeluMul) return math::gelu_f32(gate) * up;
  const float positive = gate > 0 ? gate : 0.0f;
  return positive * positive * up;
}

std::string MatmulProblem::compare(const std::vector<float>& expected, const char* who,
                                   int64_t column_begin, int64_t column_end) const {
  for (int64_t m = 0; m < tokens_; ++m) {
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
  const int64_t tile_columns = is_gated(spec_.epilogue) ? kTileRows / 2 : kTileRows;
  const int64_t begin = tile_begin * tile_columns, end = tile_end * tile_columns;
  std::vector<float> expected(y_.size(), kUntouched);
  MatmulArgs reference_args = args(tile_begin, tile_end);
  reference_args.y = expected.data();
  reference::matmul(spec_, reference_args);
  // Everywhere: outside the range both must hold the pattern still.
  if (std::string difference = compare(expected, "the reference", 0, y_stride_);
      !difference.empty())
    return difference;
  for (int64_t m = 0; m < tokens_; ++m)
    for (int64_t column = begin; column < end; ++column)
      expected[static_cast<size_t>(m * y_stride_ + column)] = plain_output(m, column);
  if (std::string difference = compare(expected, "the plain loop", begin, end); !difference.empty())
    return difference;
  if (!y_.slack_intact()) return spec_name(spec_) + ": wrote outside y";
  return {};
}

}  // namespace bitnetc::test
