// Matrix products to test kernels on: random or extreme operands in guarded memory, exactly as
// large as the contract of MatmulArgs says, with the answer computed two ways: by codegen/reference
// and by a loop that shares no code with it.
#pragma once

#include <cstdint>
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
  TableForm table_form = TableForm::kNone;  // what the kernel looks up
};

class MatmulProblem {
 public:
  MatmulProblem(const MatmulSpec& spec, const ProblemOptions& options);

  const MatmulSpec& spec() const { return spec_; }
  // For tiles [begin, end), writing to this problem's y.
  MatmulArgs args(int64_t tile_begin, int64_t tile_end);
  int64_t tiles() const { return spec_.weight_layout().tiles(); }

  // Fills y with a pattern no kernel writes.
  void reset_output();
  // After a kernel ran on [begin, end): compares y there with the reference and with the plain loop
  // bit by bit, checks that nothing else of y changed and that no buffer's slack was touched.
  // Returns the first difference, or an empty string.
  std::string check(int64_t tile_begin, int64_t tile_end);

 private:
  void fill_weights(const ProblemOptions& options);
  void fill_activations(const ProblemOptions& options);
  void fill_floats(uint64_t seed);
  float plain_product(int64_t m, int64_t n) const;
  float plain_output(int64_t m, int64_t column) const;
  std::string compare(const std::vector<float>& expected, const char* who, int64_t column_begin,
                      int64_t column_end) const;

  MatmulSpec spec_;
  int64_t tokens_, x_stride_, y_stride_;
  std::vector<int8_t> trits_;  // [n][k]
  GuardedBuffer<int8_t> x_;
  GuardedBuffer<uint8_t> w_, tables_;
  GuardedBuffer<float> y_, residual_, x_step_, tile_scale_;
  GuardedBuffer<int32_t> x_sum_;
};

}  // namespace bitnetc::test
