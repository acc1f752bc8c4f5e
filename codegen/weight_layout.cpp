#include "codegen/weight_layout.h"

#include <algorithm>
#include <vector>

#include "codegen/layout/i2_s.h"
#include "codegen/layout/word_columns.h"
#include "runtime/rounding.h"

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

bool is_trit(int8_t value) {
  return -1 <= value && value <= 1;
}

Status check_trits(const WeightLayout& layout, std::span<const int8_t> trits) {
  // Without a branch per weight: the compiler looks at a vector of them at a time.
  bool all_good = true;
  for (const int8_t trit : trits) all_good &= is_trit(trit);
  if (all_good) return {};
  const auto at = std::ranges::find_if_not(trits, is_trit);
  const int64_t i = at - trits.begin();
  return make_error(StatusCode::kInvalidArgument,
                    "pack {}: weight ({}, {}) is {}, expected -1, 0 or +1", layout_name(layout.id),
                    i / layout.k, i % layout.k, *at);
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
  return round_up(n, kTileRows);
}

int64_t WeightLayout::padded_k() const {
  return round_up(k, block_columns());
}

int64_t WeightLayout::block_columns() const {
  return id == LayoutId::kI2S ? i2s::kBlockColumns : word_format(id).columns;
}

int64_t WeightLayout::block_bytes() const {
  return id == LayoutId::kI2S ? i2s::kBlockBytes : word_format(id).block_bytes();
}

double WeightLayout::bits_per_weight() const {
  return 8.0 * static_cast<double>(total_bytes()) /
         (static_cast<double>(n) * static_cast<double>(k));
}

Status pack(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out) {
  BITNETC_RETURN_IF_ERROR(check_sizes(layout, trits.size(), out.size()));
  BITNETC_RETURN_IF_ERROR(check_trits(layout, trits));
  if (layout.id == LayoutId::kI2S) {
    i2s::pack(layout, trits, out);
  } else {
    pack_words(layout, trits, out);
  }
  return {};
}

Status unpack(const WeightLayout& layout, std::span<const uint8_t> packed,
              std::span<int8_t> trits) {
  BITNETC_RETURN_IF_ERROR(check_sizes(layout, trits.size(), packed.size()));
  if (layout.id == LayoutId::kI2S) return i2s::unpack(layout, packed, trits);
  return unpack_words(layout, packed, trits);
}

Status check_packed(const WeightLayout& layout, std::span<const uint8_t> packed) {
  BITNETC_RETURN_IF_ERROR(
      check_sizes(layout, static_cast<size_t>(layout.n * layout.k), packed.size()));
  bool valid = true;
  if (layout.id == LayoutId::kI2S) {
    valid = i2s::all_valid(packed);
  } else {
    valid =
        word_format(layout.id).all_valid(reinterpret_cast<const uint16_t*>(packed.data()),
                                         static_cast<int64_t>(packed.size() / sizeof(uint16_t)));
  }
  if (valid) return {};
  std::vector<int8_t> trits(static_cast<size_t>(kTileRows * layout.k));
  for (int64_t tile = 0; tile < layout.tiles(); ++tile) {
    const auto bytes = packed.subspan(static_cast<size_t>(tile * layout.tile_bytes()),
                                      static_cast<size_t>(layout.tile_bytes()));
    const Status status = unpack({.id = layout.id, .n = kTileRows, .k = layout.k}, bytes, trits);
    BITNETC_RETURN_IF_ERROR(status.with_context(fmt::format("rows from {}", tile * kTileRows)));
  }
  return make_error(StatusCode::kDataCorrupt, "{} layout: a pad holds bits that no weights have",
                    layout_name(layout.id));
}

Status repack(const WeightLayout& from, std::span<const uint8_t> packed, LayoutId to,
              std::span<uint8_t> out) {
  const WeightLayout target{.id = to, .n = from.n, .k = from.k};
  const auto weights = static_cast<size_t>(from.n * from.k);
  BITNETC_RETURN_IF_ERROR(check_sizes(from, weights, packed.size()));
  BITNETC_RETURN_IF_ERROR(check_sizes(target, weights, out.size()));
  const auto from_bytes = static_cast<size_t>(from.tile_bytes());
  const auto to_bytes = static_cast<size_t>(target.tile_bytes());
  std::vector<int8_t> tile(static_cast<size_t>(kTileRows * from.k));
  for (int64_t t = 0; t < from.tiles(); ++t) {
    const int64_t row = t * kTileRows, rows = std::min<int64_t>(kTileRows, from.n - row);
    const auto trits = std::span(tile).first(static_cast<size_t>(rows * from.k));
    const auto at = static_cast<size_t>(t);
    const Status unpacked = unpack({.id = from.id, .n = rows, .k = from.k},
                                   packed.subspan(at * from_bytes, from_bytes), trits);
    BITNETC_RETURN_IF_ERROR(unpacked.with_context(fmt::format("rows from {}", row)));
    BITNETC_RETURN_IF_ERROR(
        pack({.id = to, .n = rows, .k = from.k}, trits, out.subspan(at * to_bytes, to_bytes)));
  }
  return {};
}

}  // namespace bitnetc
