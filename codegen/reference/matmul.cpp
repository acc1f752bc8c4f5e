#include <algorithm>
#include <cmath>
#include <vector>

#include "codegen/layout/word_columns.h"
#include "codegen/reference/reference.h"
#include "runtime/math.h"

namespace bitnetc::reference {
namespace {

// All rows of one tile as trits: trits[r * k + column], as the layout's page defines them
// (docs/layouts/).
std::vector<int8_t> unpack_tile(const MatmulSpec& spec, const uint8_t* w, int64_t tile) {
  const WeightLayout layout{.id = spec.layout, .n = kTileRows, .k = spec.k};
  const auto bytes = static_cast<size_t>(layout.tile_bytes());
  std::vector<int8_t> trits(static_cast<size_t>(kTileRows * spec.k));
  const Status status = unpack(layout, {w + static_cast<size_t>(tile) * bytes, bytes}, trits);
  BITNETC_CHECK(status.ok(), "reference matmul: {}", status.message());
  return trits;
}

int32_t dot(const int8_t* x, const int8_t* trits, int64_t k) {
  int32_t sum = 0;
  for (int64_t i = 0; i < k; ++i) sum += x[i] * trits[i];
  return sum;
}

// Scaled products of a tile's rows with token m.
struct TileValues {
  float row[kTileRows];
};
TileValues scaled_tile(const MatmulSpec& spec, const MatmulArgs& args, int64_t tile,
                       const std::vector<int8_t>& trits, int64_t m) {
  TileValues values;
  const float factor = args.x_scale[m] * args.tile_scale[tile];
  for (int r = 0; r < kTileRows; ++r) {
    const int32_t sum = dot(args.x + m * args.x_stride, trits.data() + r * spec.k, spec.k);
    values.row[r] = static_cast<float>(sum) * factor;
  }
  return values;
}

// The value of a field that kernels find under `code` in its table; false: the code does not occur.
bool field_value(const TablesSpec& spec, int field, int code, int* value) {
  const bool lone_trit = word_format(spec.layout).trits[field] == 1;
  if (spec.layout == LayoutId::kTl1) {
    *value = code < 8 ? code : code - 16;
    return -4 <= *value && *value <= 4;
  }
  if (spec.form == TableForm::kBytes) {
    *value = code;
    return code <= (lone_trit ? 1 : 13);
  }
  if (spec.layout == LayoutId::kTl2) {
    *value = code < 16 ? code : 16 - code;
    return code % 16 <= 13;
  }
  *value = code - (lone_trit ? 1 : 13);  // b3: the base-3 digits themselves
  return code <= (lone_trit ? 2 : 26);
}

// x·w for the trits of a field's value, the first trit being the highest digit.
int field_sum(const TablesSpec& spec, const int8_t* x, int64_t block, int w, int field, int value) {
  const WordFormat& format = word_format(spec.layout);
  int sum = 0, rest = value;
  for (int t = format.trits[field] - 1; t >= 0; --t) {
    const int trit = (rest + 40) % 3 - 1;
    rest = (rest - trit) / 3;
    const int64_t column = block * format.columns + format.column(w, field, t);
    if (column < spec.k) sum += trit * x[column];
  }
  return sum;
}

}  // namespace

float gated(Epilogue epilogue, float gate, float up) {
  if (epilogue == Epilogue::kSiluMul) return math::silu_f32(gate) * up;
  if (epilogue == Epilogue::kGeluMul) return math::gelu_f32(gate) * up;
  const float positive = gate > 0 ? gate : 0.0f;  // -0 and NaN give +0, as vmaxps(gate, 0) does
  return positive * positive * up;
}

void glu(const GluSpec& spec, const GluArgs& args) {
  for (int64_t i = 0; i < spec.n; ++i) args.y[i] = gated(spec.epilogue, args.gate[i], args.up[i]);
}

void matmul(const MatmulSpec& spec, const MatmulArgs& args) {
  const int64_t tokens = spec.m == kAnyM ? args.m : spec.m;
  const bool pairs = is_gated(spec.epilogue);
  for (int64_t tile = args.tile_begin; tile < args.tile_end; tile += pairs ? 2 : 1) {
    const auto trits = unpack_tile(spec, args.w, tile);
    const auto up_trits = pairs ? unpack_tile(spec, args.w, tile + 1) : std::vector<int8_t>();
    for (int64_t m = 0; m < tokens; ++m) {
      const TileValues values = scaled_tile(spec, args, tile, trits, m);
      const TileValues up = pairs ? scaled_tile(spec, args, tile + 1, up_trits, m) : TileValues();
      const int64_t first = m * args.y_stride + (pairs ? tile / 2 : tile) * kTileRows;
      for (int r = 0; r < kTileRows; ++r) {
        switch (spec.epilogue) {
          case Epilogue::kScale: args.y[first + r] = values.row[r]; break;
          case Epilogue::kResidual:
            args.y[first + r] = args.residual[first + r] + values.row[r];
            break;
          default: args.y[first + r] = gated(spec.epilogue, values.row[r], up.row[r]);
        }
        if (spec.row_absmax)
          args.row_absmax[m] = std::max(args.row_absmax[m], std::fabs(args.y[first + r]));
      }
    }
  }
}

void build_tables(const TablesSpec& spec, const BuildTablesArgs& args) {
  const WordFormat& format = word_format(spec.layout);
  const int codes = spec.form == TableForm::kBytes ? 16 : static_cast<int>(spec.field_bytes() / 2);
  for (int64_t block = args.block_begin; block < args.block_end; ++block) {
    uint8_t* table = args.tables + block * spec.block_bytes();
    for (int w = 0; w < format.words; ++w) {
      for (int f = 0; f < format.fields; ++f, table += spec.field_bytes()) {
        for (int code = 0; code < codes; ++code) {
          int value = 0;
          const bool occurs = field_value(spec, f, code, &value);
          const auto sum =
              static_cast<uint16_t>(occurs ? field_sum(spec, args.x, block, w, f, value) : 0);
          const bool words = spec.form == TableForm::kWords;
          table[words ? 2 * code : code] = static_cast<uint8_t>(sum);
          table[words ? 2 * code + 1 : 16 + code] = static_cast<uint8_t>(sum >> 8);
        }
      }
    }
  }
}

}  // namespace bitnetc::reference
