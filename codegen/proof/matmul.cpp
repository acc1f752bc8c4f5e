// The start-up proof of matmuls.
#include <algorithm>
#include <cmath>
#include <optional>

#include "codegen/layout/word_cells.h"
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
        unit_tiles_(is_gated(spec.epilogue) ? 2 : 1),
        x_stride_(static_cast<int64_t>(round_up(static_cast<size_t>(spec.k), kQuantPad))) {}

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
      9;  // a step of eight tiles, the most a plan has, and one left over
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

  // Runs the kernel, and holds the maxima it leaves, if it is to leave any, against the y it
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

  // Long runs of the extremes, where int16 sums would overflow first, then random values.
  int8_t activation(int64_t k) {
    if (k < spec_.k / 4) return -128;
    if (k < spec_.k / 2) return 127;
    return static_cast<int8_t>(random_.next());
  }

  Status fill_activations() {
    for (int64_t m = 0; m < tokens_; ++m) {
      (*x_scale_)[m] = random_.uniform(0.005f, 0.02f);
      for (int64_t k = 0; k < spec_.k; ++k) {
        const int8_t value = activation(k);
        (*x_)[m * x_stride_ + k] = value;
        (*x_sum_)[m] += value;
      }
    }
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
      uint8_t* bytes = w_->host() + tile * layout_.tile_bytes();
      if (spec_.layout == LayoutId::kI2S) {
        fill_codes(bytes);
      } else {
        fill_words(bytes);
      }
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

  // Random codes 0..2, but a first row of +1 and a second row of -1, for the extreme sums.
  void fill_codes(uint8_t* tile) {
    for (int64_t i = 0; i < layout_.tile_bytes(); i += 8) {
      uint64_t codes = random_.next();
      codes &= ~(codes << 1 & 0xaaaaaaaaaaaaaaaa);  // 3 becomes 1
      std::memcpy(tile + i, &codes, sizeof codes);
      if (i % 64 != 0) continue;
      std::memset(tile + i, 0b10101010, 4);
      std::memset(tile + i + 4, 0b00000000, 4);
    }
  }

  // The same in a layout of words: a first row of +1, a second of -1, and random ones below.
  void fill_words(uint8_t* tile) {
    constexpr int64_t kPalette = 64;
    const WordFormat& format = word_format(spec_.layout);
    uint16_t palette[kPalette];
    for (uint16_t& word : palette) word = random_word(format, random_.next());
    for (int64_t cell = 0; cell < layout_.tile_bytes() / kCellBytes; ++cell) {
      uint16_t words[kTileRows] = {extreme_word(format, 1), extreme_word(format, -1)};
      uint64_t choice = random_.next(), more = random_.next();
      for (int r = 2; r < kTileRows; ++r, choice = choice >> 6 | more << 58, more >>= 6)
        words[r] = palette[choice % kPalette];
      std::memcpy(tile + cell * kCellBytes, words, sizeof words);
    }
  }

  static int largest(const WordFormat& format, int field) {
    constexpr int kLargest[] = {0, 1, 4, 13};
    return kLargest[format.trits[field]];
  }
  static uint16_t extreme_word(const WordFormat& format, int trit) {
    int fields[4] = {};
    for (int f = 0; f < format.fields; ++f) fields[f] = trit * largest(format, f);
    return format.encode(fields);
  }
  static uint16_t random_word(const WordFormat& format, uint64_t bits) {
    int fields[4] = {};
    for (int f = 0; f < format.fields; ++f) {
      const int most = largest(format, f);
      fields[f] = static_cast<int>((bits >> (16 * f) & 0xffff) % (2 * most + 1)) - most;
    }
    return format.encode(fields);
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
