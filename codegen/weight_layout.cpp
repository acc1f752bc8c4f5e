#include "codegen/weight_layout.h"

#include "codegen/layout/i2_s.h"
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
  }
  return "?";
}

std::optional<LayoutId> parse_layout(std::string_view name) {
  if (name == layout_name(LayoutId::kI2S)) return LayoutId::kI2S;
  return std::nullopt;
}

int64_t WeightLayout::padded_n() const {
  return static_cast<int64_t>(round_up(static_cast<size_t>(n), kTileRows));
}

int64_t WeightLayout::padded_k() const {
  switch (id) {
    case LayoutId::kI2S: return i2s::padded_k(k);
  }
  return k;
}

int64_t WeightLayout::tile_bytes() const {
  switch (id) {
    case LayoutId::kI2S: return i2s::tile_bytes(k);
  }
  return 0;
}

double WeightLayout::bits_per_weight() const {
  return 8.0 * static_cast<double>(total_bytes()) /
         (static_cast<double>(n) * static_cast<double>(k));
}

Status pack(const WeightLayout& layout, std::span<const int8_t> trits, std::span<uint8_t> out) {
  BITNETC_RETURN_IF_ERROR(check_sizes(layout, trits.size(), out.size()));
  switch (layout.id) {
    case LayoutId::kI2S: return i2s::pack(layout, trits, out);
  }
  return make_error(StatusCode::kUnsupported, "pack: unknown layout {}",
                    static_cast<int>(layout.id));
}

Status unpack(const WeightLayout& layout, std::span<const uint8_t> packed,
              std::span<int8_t> trits) {
  BITNETC_RETURN_IF_ERROR(check_sizes(layout, trits.size(), packed.size()));
  switch (layout.id) {
    case LayoutId::kI2S: return i2s::unpack(layout, packed, trits);
  }
  return make_error(StatusCode::kUnsupported, "unpack: unknown layout {}",
                    static_cast<int>(layout.id));
}

}  // namespace bitnetc
