// The random tensors of a synthetic model, in blocks of rows. Every tensor draws from a stream of
// its own, made of the model's seed and its name: the same bytes everywhere, whatever is written
// before it. Only integers are drawn; the few floats are exact functions of them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/random.h"

namespace bitnetc {

Random tensor_random(uint64_t seed, std::string_view name);

// A ternary matrix [n, k], drawn row by row.
struct TritRule {
  int64_t n = 0, k = 0;
  double zeros = 0;  // the share of trits that are zero, 0 to 1, kept to 1/65536

  // How a model gets the share of active neurons that was asked for. The first columns of a row
  // carry its sign: +1 in rows that are to be active, -1 in the others.
  int64_t signed_columns = 0;
  std::vector<bool> active = {};  // [n]
  int64_t silent_rows = 0;        // the first rows are zero
};

// Trits 0, 1 and 2 for -1, 0 and +1, packed as Hugging Face packs them: [ceil(n / 4), k], bits
// 2i and 2i + 1 of row r hold row i * ceil(n / 4) + r. Appends one row of bytes per call.
class PackedTrits {
 public:
  PackedTrits(const TritRule& rule, Random random);
  int64_t rows() const { return packed_rows_; }
  void append_row(int64_t row, std::vector<uint8_t>& out);

 private:
  const TritRule& rule_;
  Random random_;
  int64_t packed_rows_;
  uint32_t zeros_below_;  // of 65536
};

// The same trits as bf16 values -m, 0 and +m: one row of the matrix per call.
class MasterTrits {
 public:
  MasterTrits(const TritRule& rule, uint16_t magnitude, Random random);
  int64_t rows() const { return rule_.n; }
  void append_row(int64_t row, std::vector<uint8_t>& out);

 private:
  const TritRule& rule_;
  Random random_;
  uint32_t zeros_below_;
  uint16_t magnitude_;  // bf16
};

// bf16 values, uniform in (-high, high); the first `ones` of each row are 1.
void append_uniform_row(Random& random, int64_t columns, int64_t ones, float high,
                        std::vector<uint8_t>& out);
// bf16 values, uniform in [centre - 0.25, centre + 0.25).
void append_norm_weights(Random& random, int64_t columns, float centre, std::vector<uint8_t>& out);

}  // namespace bitnetc
