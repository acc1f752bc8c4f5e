#include "codegen/weight_layout.h"

#include "codegen/layout/i2_s.h"
#include "codegen/layout/word_cells.h"
#include "runtime/buffer.h"

namespace bitnetc {
namespace {

Status check_sizes(const WeightLayout& layout, size_t trits, size_t packed_bytes) {
  if (layout.n <= 0 || layout.k <= 0) {
    return make_error(StatusCode::kInvalidArgument,
                      "{} layout: n = {}, k = {}, expected both positive", layout_name(layout.id),
                      layout.n, layout.k);
  }
  if (trits != static_cast<size_t>(layout.n * layout.k)) {
    return make_error(StatusCode::kInvalidArgument,
                      "{} layout: {} weights, expected n * k = {} * {}", layout_name(layout.id),
                      trits, layout.n, layout.k);
  }
  if (packed_bytes != static_cast<size_t>(layout.total_bytes())) {
    return make_error(
        StatusCode::kInvalidArgument, "{} layout: {} packed bytes, expected {} for n = {}, k = {}",
        layout_name(layout.id), packed_bytes, layout.total_bytes(), layout.n, layout.k);
  }
  return {};
}

}  // namespace

std::string_view layout_name(LayoutId id) {
  switch (id) {
    case LayoutId::kI2S: return "i2s";
    case LayoutId::kTl1: return "tl1";
    case LayoutId::kTl2: return "tl2";
    case LayoutId::kB3: return "b3";
  }
  return "?";
}

std::optional<LayoutId> parse_layout(std::string_view name) {
  for (const LayoutId id : kLayouts)
    if (name == layout_name(id)) return id;
  return std::nullopt;
}

int64_t WeightLayout::padded_n() const {
  return static_cast<int64_t>(round_up(static_cast<size_t>(n), kTileRows));
}

int64_t WeightLayout::padded_k() const {
  return static_cast<int64_t>(
      round_up(static_cast<size_t>(k), static_cast<size_t>(block_columns())));
}

int64_t WeightLayout::block_columns() const {
  return id == LayoutId::kI2S ? i2s::kCellColumns : word_format(id).columns;
}

int64_t WeightLayout::block_bytes() const {
  return id == LayoutId::kI2S ? i2s::kCellBytes : word_format(id).block_bytes();
}

double WeightLayout::bits_per_weight() const {
  return 8.0 * static_cast<double>(total_bytes()) /
         (static_cast<double>(n) * static_cast<double>(k));
}

Status pack(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out) {
  BITNETC_RETURN_IF_ERROR(check_sizes(layout, trits.size(), out.size()));
  if (layout.id == LayoutId::kI2S) return i2s::pack(layout, trits, out);
  return pack_words(layout, trits, out);
}

Status unpack(const WeightLayout& layout, std::span<const uint8_t> packed,
              std::span<int8_t> trits) {
  BITNETC_RETURN_IF_ERROR(check_sizes(layout, trits.size(), packed.size()));
  if (layout.id == LayoutId::kI2S) return i2s::unpack(layout, packed, trits);
  return unpack_words(layout, packed, trits);
}

}  // namespace bitnetc
