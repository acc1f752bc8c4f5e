// The start-up proof of matmuls.
#include <algorithm>
#include <cmath>

#include "codegen/matmul_operands.h"
#include "codegen/proof/support.h"
#include "codegen/reference/reference.h"
#include "runtime/buffer.h"

namespace bitnetc::proof {
namespace {

// The first unit of tiles and a few at the end, where an address is wrong first. A unit is one
// tile, or the gate and up tile that make one output tile.
class MatmulProof {
 public:
  MatmulProof(const MatmulSpec& spec, const Kernel& kernel, TableForm form, uint64_t seed)
      : spec_(spec),
        kernel_(kernel),
        form_(form),
        random_(seed),
        layout_(spec.weight_layout()),
        tokens_(spec.m == kAnyM ? kManyTokens : spec.m),
        sample_stride_(spec.m == kAnyM ? 3 : 1),
        unit_tiles_(spec.tiles_per_unit()),
        x_stride_(spec.padded_k()),
        x_(tokens_ * x_stride_),
        w_(layout_.total_bytes()),
        y_(tokens_ * spec.output_columns()),
        expected_(tokens_ * spec.output_columns()),
        residual_(tokens_ * spec.output_columns()),
        tile_scale_(layout_.tiles()) {}

  // Every kernel carries several tiles at once or one alone; both ways must agree on the tiles at
  // the end, and the reference, which is slow, confirms the first unit and the last.
  Status run() {
    const int64_t units = layout_.tiles() / unit_tiles_;
    const int64_t tail_units = std::min<int64_t>(units, kTailUnits);
    fill_activations();
    fill_units(0, 1);
    fill_units(units - tail_units, units);
    BITNETC_RETURN_IF_ERROR(run_units(y_, units - tail_units, units));
    for (int64_t unit = units - tail_units; unit < units; ++unit) {
      BITNETC_RETURN_IF_ERROR(run_units(expected_, unit, unit + 1));
      for (int64_t m = 0; m < tokens_; ++m)
        BITNETC_RETURN_IF_ERROR(compare_unit("several tiles against one", m, unit));
    }
    BITNETC_RETURN_IF_ERROR(run_units(y_, 0, 1));
    for (const int64_t unit : {int64_t{0}, units - 1}) {
      run_reference(unit);
      for (int64_t m = 0; m < tokens_; m += sample_stride_)
        BITNETC_RETURN_IF_ERROR(compare_unit("against the reference", m, unit));
    }
    return {};
  }

 private:
  static constexpr int64_t kTailUnits =
      9;  // a tile group of eight, the most a plan has, and one left over
  // Two AMX tiles of 16 and a rest. Every third is held against the reference: the first, the last,
  // and every place in the groups of four and eight that kernels take at a time.
  static constexpr int kManyTokens = 37;

  MatmulArgs args(SparseArray<float>& y, int64_t unit_begin, int64_t unit_end) {
    return {.x = x_.data(),
            .tables = tables_.data(),
            .w = w_.data(),
            .y = y.data(),
            .x_scale = x_scale_,
            .x_sum = x_sum_,
            .tile_scale = tile_scale_.data(),
            .residual = spec_.epilogue == Epilogue::kResidual ? residual_.data() : nullptr,
            .x_stride = x_stride_,
            .y_stride = spec_.output_columns(),
            .tile_begin = unit_begin * unit_tiles_,
            .tile_end = unit_end * unit_tiles_,
            .m = tokens_,
            .row_absmax = row_absmax_};
  }

  // Runs the kernel, and compares the row absmax it leaves, where the spec wants it, with the y it
  // stored.
  Status run_units(SparseArray<float>& y, int64_t unit_begin, int64_t unit_end) {
    std::fill_n(row_absmax_, tokens_, 0.0f);
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel_, args(y, unit_begin, unit_end)));
    if (!spec_.row_absmax) return {};
    for (int64_t m = 0; m < tokens_; ++m) {
      float most = 0;
      for (int64_t column = unit_begin * kTileRows; column < unit_end * kTileRows; ++column)
        most = std::max(most, std::fabs(y[m * spec_.output_columns() + column]));
      BITNETC_RETURN_IF_ERROR(
          compare(kernel_, fmt::format("row_absmax of token {}", m), row_absmax_ + m, &most, 1));
    }
    return {};
  }

  // All sampled tokens at once, for unpacking a tile is what takes the time.
  void run_reference(int64_t unit) {
    MatmulSpec sampled = spec_;
    sampled.m = kAnyM;
    MatmulArgs tokens = args(expected_, unit, unit + 1);
    tokens.m = 0;
    float x_scale[kManyTokens];
    for (int64_t m = 0; m < tokens_; m += sample_stride_) x_scale[tokens.m++] = x_scale_[m];
    tokens.x_scale = x_scale;
    tokens.x_stride *= sample_stride_;
    tokens.y_stride *= sample_stride_;
    reference::matmul(sampled, tokens);
  }

  void fill_activations() {
    fill_rows(
        {.x = x_.data(), .stride = x_stride_, .scale = x_scale_, .sum = x_sum_, .count = tokens_},
        spec_.k, random_);
    if (form_ == TableForm::kNone) return;
    const TablesSpec tables{.k = spec_.k, .layout = spec_.layout, .form = form_};
    tables_ = Buffer<uint8_t>(static_cast<size_t>(tables.table_bytes()));
    reference::build_tables(
        tables,
        {.x = x_.data(), .tables = tables_.data(), .block_begin = 0, .block_end = tables.blocks()});
  }

  void fill_units(int64_t begin, int64_t end) {
    for (int64_t tile = begin * unit_tiles_; tile < end * unit_tiles_; ++tile) {
      fill_tile(layout_, w_.data() + tile * layout_.tile_bytes(), random_);
      tile_scale_[tile] = random_.uniform(0.5f, 2.0f);
    }
    for (int64_t m = 0; m < tokens_; ++m) {
      float* const row = residual_.data() + m * spec_.output_columns();
      for (int64_t i = begin * kTileRows; i < end * kTileRows; ++i) row[i] = random_.uniform(-9, 9);
    }
  }

  Status compare_unit(const char* what, int64_t m, int64_t unit) {
    const int64_t at = m * spec_.output_columns() + unit * kTileRows;
    return compare(kernel_,
                   fmt::format("{}, token {} of columns from {}", what, m, unit * kTileRows),
                   y_.data() + at, expected_.data() + at, kTileRows);
  }

  const MatmulSpec& spec_;
  const Kernel& kernel_;
  const TableForm form_;
  Random random_;
  const WeightLayout layout_;
  const int64_t tokens_, sample_stride_, unit_tiles_, x_stride_;
  SparseArray<int8_t> x_;
  SparseArray<uint8_t> w_;
  SparseArray<float> y_, expected_, residual_, tile_scale_;
  Buffer<uint8_t> tables_;
  float x_scale_[kManyTokens];
  int32_t x_sum_[kManyTokens];
  float row_absmax_[kManyTokens];
};

}  // namespace

Status prove_matmul(const MatmulSpec& spec, const Kernel& kernel, TableForm form, uint64_t seed) {
  return MatmulProof(spec, kernel, form, seed).run();
}

}  // namespace bitnetc::proof
