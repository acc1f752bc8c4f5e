#include "codegen/operations/screen.h"

#include <algorithm>

#include "codegen/operations/spec_name.h"
#include "runtime/random.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

constexpr int64_t kScreenCaseRows = 39;  // rows of the head per case: a tile of 32 and a rest
// |sum| <= 60 * 128 * k must fit in an i32.
constexpr int64_t kMostColumns = int64_t{1} << 17;

}  // namespace

int64_t ScreenSpec::padded_k() const {
  return round_up(k, kScreenBlock);
}
int64_t ScreenSpec::block_bytes() const {
  return kScreenBlock / codes_per_byte();
}
int64_t ScreenSpec::row_bytes() const {
  return padded_k() / codes_per_byte();
}

using Screen = Operation<ScreenSpec>;

std::vector<Operand> Screen::operands(const ScreenSpec& spec) {
  return {{.name = "high",
           .role = Role::kInput,
           .type = ElementType::kI8,
           .per_row = spec.padded_k(),
           .args_offset = offsetof(ScreenArgs, high)},
          {.name = "low",
           .role = Role::kInput,
           .type = ElementType::kI8,
           .per_row = spec.padded_k(),
           .args_offset = offsetof(ScreenArgs, low)},
          {.name = "high_sum",
           .role = Role::kInput,
           .type = ElementType::kI32,
           .per_row = 1,
           .args_offset = offsetof(ScreenArgs, high_sum)},
          {.name = "low_sum",
           .role = Role::kInput,
           .type = ElementType::kI32,
           .per_row = 1,
           .args_offset = offsetof(ScreenArgs, low_sum)},
          {.name = "scale",
           .role = Role::kInput,
           .type = ElementType::kF32,
           .per_row = 1,
           .args_offset = offsetof(ScreenArgs, scale)},
          {.name = "codes",
           .role = Role::kWeight,
           .type = ElementType::kU8,
           .fixed = spec.n * spec.row_bytes(),
           .args_offset = offsetof(ScreenArgs, codes)},
          {.name = "step",
           .role = Role::kWeight,
           .type = ElementType::kF32,
           .fixed = spec.n,
           .args_offset = offsetof(ScreenArgs, step)},
          {.name = "estimates",
           .role = spec.part == ScreenPart::kCoarse ? Role::kOutput : Role::kInOut,
           .type = ElementType::kF32,
           .per_row = spec.n,
           .args_offset = offsetof(ScreenArgs, estimates)}};
}

Status Screen::validate(const ScreenSpec& spec) {
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "n", spec.n));
  BITNETC_RETURN_IF_ERROR(check_dimension(name(spec), "k", spec.k));
  if (spec.k <= kMostColumns) return {};
  return make_error(StatusCode::kInvalidArgument, "{}: k = {}: an int32 sum may overflow beyond {}",
                    name(spec), spec.k, kMostColumns);
}

std::string Screen::name(const ScreenSpec& spec) {
  return fmt::format("screen_{}_n{}_k{}", spec.part == ScreenPart::kCoarse ? "coarse" : "fine",
                     spec.n, spec.k);
}

ScreenSpec Screen::parse(NameReader& reader) {
  ScreenSpec spec;
  if (!reader.take("coarse")) {
    reader.expect("fine");
    spec.part = ScreenPart::kFine;
  }
  spec.n = reader.number<int64_t>("n");
  spec.k = reader.number<int64_t>("k");
  return spec;
}

Work Screen::work(const ScreenSpec& spec, int64_t rows, int64_t positions) {
  return {.bytes_read = bytes_read(operands(spec), rows, positions),
          .macs = rows * spec.n * spec.k};
}

std::vector<ScreenSpec> Screen::samples() {
  std::vector<ScreenSpec> specs;
  for (const ScreenPart part : {ScreenPart::kCoarse, ScreenPart::kFine})
    for (const int64_t k : kSampleWidths) specs.push_back({.n = 83, .k = k, .part = part});
  return specs;
}

// Rows at both ends of the head.
std::vector<proof::CallCase> Screen::cases(const ScreenSpec& spec) {
  std::vector<proof::CallCase> cases;
  for (const int64_t rows : {int64_t{1}, int64_t{3}, int64_t{7}, kMaxHeadRows}) {
    cases.push_back({.name = fmt::format("{} rows, first of the head", rows),
                     .rows = rows,
                     .at_start = rows == 1});
    cases.push_back({.name = fmt::format("{} rows, last of the head", rows),
                     .rows = rows,
                     .first = std::max<int64_t>(0, spec.n - kScreenCaseRows),
                     .at_start = rows == 3});
  }
  return cases;
}

void Screen::prepare(const ScreenSpec& spec, const proof::CallCase& call_case, Random&,
                     proof::OperandBuffers& buffers, Args& args) {
  const auto finish = [&](std::string_view values, std::string_view sums) {
    const std::span<int8_t> q = buffers.get<int8_t>(values);
    const std::span<int32_t> sum = buffers.get<int32_t>(sums);
    for (int64_t row = 0; row < call_case.rows; ++row) {
      const auto columns = q.subspan(static_cast<size_t>(row * spec.padded_k()),
                                     static_cast<size_t>(spec.padded_k()));
      std::ranges::fill(columns.subspan(static_cast<size_t>(spec.k)), int8_t{0});
      int32_t total = 0;
      for (const int8_t value : columns) total += value;
      sum[static_cast<size_t>(row)] = total;
    }
  };
  finish("high", "high_sum");
  finish("low", "low_sum");
  args.q_stride = spec.padded_k();
  args.estimates_stride = spec.n;
  args.rows = call_case.rows;
  args.row_begin = call_case.first;
  args.row_end = std::min(spec.n, args.row_begin + kScreenCaseRows);
}

}  // namespace bitnetc
