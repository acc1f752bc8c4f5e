#include "frontend/synth/random_weights.h"

#include <xxhash.h>

#include "runtime/math.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

constexpr int kDrawBits = 16;
constexpr int kDraws = 64 / kDrawBits;  // of one random word
constexpr uint32_t kDrawEnd = 1u << kDrawBits;

uint32_t zeros_below(const TritRule& rule) {
  return static_cast<uint32_t>(rule.zeros * kDrawEnd);
}

uint32_t draw_of(uint64_t word, int index) {
  return static_cast<uint32_t>(word >> (kDrawBits * index)) & (kDrawEnd - 1);
}

// 0, 1 or 2 for -1, 0 and +1.
int random_trit(uint32_t zeros, uint32_t draw) {
  const int is_nonzero = draw >= zeros;
  return 1 + is_nonzero * (2 * static_cast<int>(draw & 1) - 1);
}

// The same under the rule for its place.
int placed_trit(const TritRule& rule, uint32_t zeros, int64_t row, int64_t column, uint32_t draw) {
  if (row >= rule.n || row < rule.silent_rows || draw < zeros) return 1;
  if (column < rule.signed_columns) return rule.active[static_cast<size_t>(row)] ? 2 : 0;
  return random_trit(zeros, draw);
}

// Appends `columns` bf16 values.
template <typename BitsAt>
void append_bf16_row(int64_t columns, std::vector<uint8_t>& out, const BitsAt& bits_at) {
  const size_t first = out.size();
  out.resize(first + 2 * static_cast<size_t>(columns));
  for (int64_t column = 0; column < columns; ++column) {
    const uint16_t bits = bits_at(column);
    uint8_t* const bytes = &out[first + 2 * static_cast<size_t>(column)];
    bytes[0] = static_cast<uint8_t>(bits);
    bytes[1] = static_cast<uint8_t>(bits >> 8);
  }
}

}  // namespace

Random tensor_random(uint64_t seed, std::string_view name) {
  return Random(XXH3_64bits_withSeed(name.data(), name.size(), seed));
}

PackedTrits::PackedTrits(const TritRule& rule, Random random)
    : rule_(rule),
      random_(random),
      packed_rows_(ceil_div(rule.n, int64_t{kDraws})),
      zeros_below_(zeros_below(rule)) {}

void PackedTrits::append_row(int64_t row, std::vector<uint8_t>& out) {
  const auto append_columns = [&](int64_t begin, int64_t end, const auto& trit_at) {
    const size_t first = out.size();
    out.resize(first + static_cast<size_t>(end - begin));
    for (int64_t column = begin; column < end; ++column) {
      const uint64_t word = random_.next();
      int byte = 0;
      for (int i = 0; i < kDraws; ++i) byte |= trit_at(i, column, draw_of(word, i)) << 2 * i;
      out[first + static_cast<size_t>(column - begin)] = static_cast<uint8_t>(byte);
    }
  };
  const bool is_plain = row >= rule_.silent_rows && row + (kDraws - 1) * packed_rows_ < rule_.n;
  const int64_t placed_columns = is_plain ? rule_.signed_columns : rule_.k;
  append_columns(0, placed_columns, [&](int i, int64_t column, uint32_t draw) {
    return placed_trit(rule_, zeros_below_, row + i * packed_rows_, column, draw);
  });
  append_columns(placed_columns, rule_.k,
                 [&](int, int64_t, uint32_t draw) { return random_trit(zeros_below_, draw); });
}

MasterTrits::MasterTrits(const TritRule& rule, uint16_t magnitude, Random random)
    : rule_(rule), random_(random), zeros_below_(zeros_below(rule)), magnitude_(magnitude) {}

void MasterTrits::append_row(int64_t row, std::vector<uint8_t>& out) {
  constexpr uint16_t kSign = 0x8000;
  uint64_t word = 0;
  append_bf16_row(rule_.k, out, [&](int64_t column) {
    const int draw = static_cast<int>(column % kDraws);
    if (draw == 0) word = random_.next();
    const int code = placed_trit(rule_, zeros_below_, row, column, draw_of(word, draw));
    return static_cast<uint16_t>(code == 1 ? 0 : code == 2 ? magnitude_ : magnitude_ | kSign);
  });
}

void append_uniform_row(Random& random, int64_t columns, int64_t ones, float high,
                        std::vector<uint8_t>& out) {
  append_bf16_row(columns, out, [&](int64_t column) {
    const float value = random.uniform(-high, high);
    return math::round_to_bf16(column < ones ? 1.0f : value);
  });
}

void append_norm_weights(Random& random, int64_t columns, float centre, std::vector<uint8_t>& out) {
  append_bf16_row(columns, out, [&](int64_t) {
    return math::round_to_bf16(random.uniform(centre - 0.25f, centre + 0.25f));
  });
}

}  // namespace bitnetc
