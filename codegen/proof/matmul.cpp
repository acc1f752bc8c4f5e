// The start-up proof of matmuls.
#include <algorithm>
#include <cmath>
#include <optional>

#include "codegen/matmul_operands.h"
#include "codegen/proof/device_operands.h"
#include "codegen/proof/support.h"
#include "codegen/reference/reference.h"
#include "runtime/buffer.h"

namespace bitnetc::proof {
namespace {

// The first unit of tiles and a few at the end, where an address is wrong first. A unit is one
// tile, or the gate and up tile that make one output tile.
class MatmulProof {
 public:
  MatmulProof(const MatmulSpec& spec, const Kernel& kernel, Device& device, TableForm form,
              uint64_t seed)
      : spec_(spec),
        kernel_(kernel),
        device_(device),
        form_(form),
        random_(seed),
        layout_(spec.weight_layout()),
        tokens_(spec.m == kAnyM ? kManyTokens : spec.m),
        sample_stride_(spec.m == kAnyM ? 3 : 1),
        unit_tiles_(spec.tiles_per_unit()),
        x_stride_(spec.padded_k()) {}

  // Every kernel carries several tiles at once or one alone; both ways must agree on the tiles at
  // the end, and the reference, which is slow, confirms the first unit and the last.
  Status run() {
    const int64_t units = layout_.tiles() / unit_tiles_;
    const int64_t tail_units = std::min<int64_t>(units, kTailUnits);
    BITNETC_RETURN_IF_ERROR(allocate());
    BITNETC_RETURN_IF_ERROR(fill_activations());
    BITNETC_RETURN_IF_ERROR(fill_units(0, 1));
    BITNETC_RETURN_IF_ERROR(fill_units(units - tail_units, units));
    BITNETC_RETURN_IF_ERROR(run_units(*y_, units - tail_units, units));
    for (int64_t unit = units - tail_units; unit < units; ++unit) {
      BITNETC_RETURN_IF_ERROR(run_units(*expected_, unit, unit + 1));
      for (int64_t m = 0; m < tokens_; ++m)
        BITNETC_RETURN_IF_ERROR(compare_unit("several tiles against one", m, unit));
    }
    BITNETC_RETURN_IF_ERROR(run_units(*y_, 0, 1));
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

  // An operand: on the host, where the reference reads it, and on the device.
  template <typename T>
  using Array = std::optional<DeviceArray<T>>;

  template <typename T>
  Status allocate(Array<T>& array, int64_t count) {
    BITNETC_ASSIGN_OR_RETURN(array, DeviceArray<T>::create(device_, count));
    return {};
  }
  Status allocate() {
    const int64_t outputs = tokens_ * spec_.output_columns();
    BITNETC_RETURN_IF_ERROR(allocate(x_, tokens_ * x_stride_));
    BITNETC_RETURN_IF_ERROR(allocate(w_, layout_.total_bytes()));
    BITNETC_RETURN_IF_ERROR(allocate(y_, outputs));
    BITNETC_RETURN_IF_ERROR(allocate(expected_, outputs));
    BITNETC_RETURN_IF_ERROR(allocate(residual_, outputs));
    BITNETC_RETURN_IF_ERROR(allocate(tile_scale_, layout_.tiles()));
    BITNETC_RETURN_IF_ERROR(allocate(x_scale_, tokens_));
    BITNETC_RETURN_IF_ERROR(allocate(x_sum_, tokens_));
    return allocate(row_absmax_, tokens_);
  }

  enum class Side { kHost, kDevice };
  MatmulArgs args(DeviceArray<float>& y, int64_t unit_begin, int64_t unit_end, Side side) {
    const auto at = [&](auto& array) {
      return side == Side::kHost ? array.host() : array.on_device();
    };
    return {.x = at(*x_),
            .tables = tables_ ? at(*tables_) : nullptr,
            .w = at(*w_),
            .y = at(y),
            .x_scale = at(*x_scale_),
            .x_sum = at(*x_sum_),
            .tile_scale = at(*tile_scale_),
            .residual = spec_.epilogue == Epilogue::kResidual ? at(*residual_) : nullptr,
            .x_stride = x_stride_,
            .y_stride = spec_.output_columns(),
            .tile_begin = unit_begin * unit_tiles_,
            .tile_end = unit_end * unit_tiles_,
            .m = tokens_,
            .row_absmax = at(*row_absmax_)};
  }

  // Runs the kernel, and compares the row absmax it leaves, where the spec wants it, with the y it
  // stored.
  Status run_units(DeviceArray<float>& y, int64_t unit_begin, int64_t unit_end) {
    std::fill_n(row_absmax_->host(), tokens_, 0.0f);
    BITNETC_RETURN_IF_ERROR(row_absmax_->upload(0, tokens_));
    BITNETC_RETURN_IF_ERROR(
        run_kernel(device_, kernel_, args(y, unit_begin, unit_end, Side::kDevice)));
    const int64_t first = unit_begin * kTileRows, columns = (unit_end - unit_begin) * kTileRows;
    for (int64_t m = 0; m < tokens_; ++m)
      BITNETC_RETURN_IF_ERROR(y.download(m * spec_.output_columns() + first, columns));
    if (!spec_.row_absmax) return {};
    BITNETC_RETURN_IF_ERROR(row_absmax_->download(0, tokens_));
    for (int64_t m = 0; m < tokens_; ++m) {
      float most = 0;
      for (int64_t column = first; column < first + columns; ++column)
        most = std::max(most, std::fabs(y[m * spec_.output_columns() + column]));
      BITNETC_RETURN_IF_ERROR(compare(kernel_, fmt::format("row_absmax of token {}", m),
                                      row_absmax_->host() + m, &most, 1));
    }
    return {};
  }

  // All sampled tokens at once, for unpacking a tile is what takes the time.
  void run_reference(int64_t unit) {
    MatmulSpec sampled = spec_;
    sampled.m = kAnyM;
    MatmulArgs tokens = args(*expected_, unit, unit + 1, Side::kHost);
    tokens.m = 0;
    float x_scale[kManyTokens];
    for (int64_t m = 0; m < tokens_; m += sample_stride_) x_scale[tokens.m++] = (*x_scale_)[m];
    tokens.x_scale = x_scale;
    tokens.x_stride *= sample_stride_;
    tokens.y_stride *= sample_stride_;
    reference::matmul(sampled, tokens);
  }

  Status fill_activations() {
    fill_rows({.x = x_->host(),
               .stride = x_stride_,
               .scale = x_scale_->host(),
               .sum = x_sum_->host(),
               .count = tokens_},
              spec_.k, random_);
    BITNETC_RETURN_IF_ERROR(x_->upload(0, tokens_ * x_stride_));
    BITNETC_RETURN_IF_ERROR(x_scale_->upload(0, tokens_));
    BITNETC_RETURN_IF_ERROR(x_sum_->upload(0, tokens_));
    if (form_ == TableForm::kNone) return {};
    const TablesSpec tables{.k = spec_.k, .layout = spec_.layout, .form = form_};
    BITNETC_RETURN_IF_ERROR(allocate(tables_, tables.table_bytes()));
    reference::build_tables(tables, {.x = x_->host(),
                                     .tables = tables_->host(),
                                     .block_begin = 0,
                                     .block_end = tables.blocks()});
    return tables_->upload(0, tables.table_bytes());
  }

  Status fill_units(int64_t begin, int64_t end) {
    const int64_t first_tile = begin * unit_tiles_, tiles = (end - begin) * unit_tiles_;
    for (int64_t tile = first_tile; tile < first_tile + tiles; ++tile) {
      fill_tile(layout_, w_->host() + tile * layout_.tile_bytes(), random_);
      (*tile_scale_)[tile] = random_.uniform(0.5f, 2.0f);
    }
    BITNETC_RETURN_IF_ERROR(
        w_->upload(first_tile * layout_.tile_bytes(), tiles * layout_.tile_bytes()));
    BITNETC_RETURN_IF_ERROR(tile_scale_->upload(first_tile, tiles));
    const int64_t columns = (end - begin) * kTileRows;
    for (int64_t m = 0; m < tokens_; ++m) {
      const int64_t first = m * spec_.output_columns() + begin * kTileRows;
      for (int64_t i = first; i < first + columns; ++i) (*residual_)[i] = random_.uniform(-9, 9);
      BITNETC_RETURN_IF_ERROR(residual_->upload(first, columns));
    }
    return {};
  }

  Status compare_unit(const char* what, int64_t m, int64_t unit) {
    const int64_t at = m * spec_.output_columns() + unit * kTileRows;
    return compare(kernel_,
                   fmt::format("{}, token {} of columns from {}", what, m, unit * kTileRows),
                   y_->host() + at, expected_->host() + at, kTileRows);
  }

  const MatmulSpec& spec_;
  const Kernel& kernel_;
  Device& device_;
  const TableForm form_;
  Random random_;
  const WeightLayout layout_;
  const int64_t tokens_, sample_stride_, unit_tiles_, x_stride_;
  Array<int8_t> x_;
  Array<uint8_t> w_, tables_;
  Array<float> y_, expected_, residual_, tile_scale_, x_scale_, row_absmax_;
  Array<int32_t> x_sum_;
};

}  // namespace

Status prove_matmul(const MatmulSpec& spec, const Kernel& kernel, Device& device, TableForm form,
                    uint64_t seed) {
  return MatmulProof(spec, kernel, device, form, seed).run();
}

}  // namespace bitnetc::proof
