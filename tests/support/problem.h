// Matrix products to test kernels on: random or extreme operands in guarded memory, exactly as
// large as the contract of MatmulArgs says, with the answer computed two ways: by a plain loop over
// the trits, and on a sample by codegen/reference, which shares no code with it.
//
// Tiles are made when they are first asked for, each from the seed and its own number: a test of a
// few tiles of a large matrix pays for those only, and finds the same numbers whatever else it ran.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "codegen/kernel_spec.h"
#include "tests/support/guarded_buffer.h"

namespace bitnetc::test {

enum class Weights { kRandom, kAllMinus, kAllZero, kAllPlus };
enum class Activations {
  kRandom,
  kAlternating127,  // +127, -127, ...
  kAll127,
  kAllMinus128,
};

struct ProblemOptions {
  Weights weights = Weights::kRandom;
  Activations activations = Activations::kRandom;
  Edge edge = Edge::kEnd;  // which side of every buffer touches an unreadable page
  uint64_t seed = 1;
  int64_t m = 1;                            // tokens, where the spec is for any M
  TableForm table_form = TableForm::kNone;  // what the kernel looks up; for one token
  int64_t rows = 0;                         // of the matrix, the rest of spec.n is pad; 0: all
  int64_t x_gap = 0, y_gap = 0;             // columns between rows, beyond what they must have
};

class MatmulProblem {
 public:
  MatmulProblem(const MatmulSpec& spec, const ProblemOptions& options);

  const MatmulSpec& spec() const { return spec_; }
  int64_t tiles() const { return spec_.weight_layout().tiles(); }

  // For tiles [begin, end), writing to this problem's y. `tokens`: how many of the problem's, those
  // next to the unreadable page; 0: all.
  MatmulArgs args(int64_t tile_begin, int64_t tile_end, int64_t tokens = 0);

  // Fills y with a pattern no kernel writes.
  void reset_output();
  // After a kernel ran with args(tile_begin, tile_end, tokens): compares y there, and the
  // row absmax where the spec leaves it, with the plain loop and the reference bit by bit, checks
  // that nothing else of y changed and that no buffer's slack was touched. Returns the first
  // difference, or an empty string; y is as after reset_output() then.
  std::string check(int64_t tile_begin, int64_t tile_end, int64_t tokens = 0);

 private:
  using Sums = std::vector<int32_t>;  // [token][kTileRows]

  void fill_activations(const ProblemOptions& options);
  void fill_floats(uint64_t seed);
  std::vector<int8_t> make_trits(int64_t tile) const;  // [kTileRows][k]
  void make_tiles(int64_t begin, int64_t end);
  Sums plain_sums(const std::vector<int8_t>& trits) const;

  void reset_row_absmax();
  int64_t first_token(int64_t tokens) const;
  int64_t unit_tiles() const { return spec_.tiles_per_unit(); }
  float product(int64_t token, int64_t tile, int64_t row) const;
  float output(int64_t token, int64_t unit, int64_t row) const;
  std::string check_against_reference(int64_t unit);
  std::string first_difference(int64_t first_token) const;
  std::string check_row_absmax(int64_t unit_begin, int64_t unit_end, int64_t first,
                               int64_t last) const;
  std::string describe(const char* who, int64_t token, int64_t column, float got,
                       float expected) const;

  const MatmulSpec spec_;
  const ProblemOptions options_;
  const int64_t tokens_, x_stride_, y_stride_;
  GuardedBuffer<int8_t> x_;
  GuardedBuffer<uint8_t> w_, tables_;
  GuardedBuffer<float> y_, residual_, x_scale_, tile_scale_, row_absmax_;
  GuardedBuffer<int32_t> x_sum_;
  std::vector<int16_t> wide_x_;   // [token][k]
  std::map<int64_t, Sums> sums_;  // by tile, of the tiles made so far
  std::vector<bool> confirmed_;   // units whose sums the reference shares
  std::vector<float> expected_;   // as y_; between checks all pattern
};

}  // namespace bitnetc::test
