// A ternary matmul to time kernels on: operands of one shape and layout, as many copies of the matrix as the
// memory regime needs, and the two ways of running a kernel over them on the threads of a pool.
#pragma once

#include <string>
#include <vector>

#include "codegen/kernel_builder.h"
#include "runtime/buffer.h"
#include "runtime/thread_pool.h"

namespace bitnetc {

enum class WeightRegime {
  kCache,  // each thread goes over a few tiles of its own again and again
  kMemory,  // every call takes the next copy of the matrix; the threads share its tiles and meet after it
};
std::string_view regime_name(WeightRegime regime);  // "cache", "memory"

// What one call of a regime does.
struct CallWork {
  int64_t weights = 0;  // decoded, whatever the number of tokens
  int64_t weight_bytes = 0;
};

class MatmulWorkload {
 public:
  // `shape`: n, k, layout and epilogue; its m does not matter. Random weights and activations. Weights are copied
  // until they take `weight_bytes`. std::bad_alloc without the memory.
  MatmulWorkload(const MatmulSpec& shape, int64_t max_tokens, int64_t weight_bytes);

  // Leaves the sums that kernels of `form` look up, for the first token, and returns the seconds that took: the
  // least of several times, for interruptions only add. Error: as KernelBuilder::build.
  Result<double> build_tables(KernelBuilder& builder, const Target& target, TableForm form);

  // Compares bits with the reference: the first, middle and last token on the first and last tiles.
  // Error: kDisqualified saying which output differed first.
  Status check(KernelBuilder& builder, const BuiltKernel& built, int64_t tokens);

  // Runs the kernel `calls` times with that many tokens and returns the seconds. More tokens than a call takes
  // are several calls.
  double run(const BuiltKernel& built, int64_t tokens, WeightRegime regime, ThreadPool& pool,
             int64_t calls);
  CallWork work(WeightRegime regime, int threads) const;

 private:
  MatmulArgs args(TableForm form, int64_t copy, int64_t row, int64_t tokens, Range tiles);
  void call(const BuiltKernel& built, int64_t tokens, int64_t copy, Range tiles);
  void bring_inputs_in(TableForm form, int64_t tokens) const;
  Range cached_tiles(int member, int threads) const;
  Range shared_tiles(int member, int threads) const;
  void fill_weights();
  void fill_activations();

  MatmulSpec shape_;
  WeightLayout layout_;
  int64_t max_tokens_, copies_, x_stride_, unit_tiles_;
  int64_t next_copy_ = 0;
  Buffer<uint8_t> w_;
  Buffer<uint8_t> tables_[2];  // words, bytes
  Buffer<int8_t> x_;
  Buffer<float> y_, residual_, x_step_, tile_scale_;
  Buffer<int32_t> x_sum_;
};

// Four times the last-level cache: little of a copy survives until it is its turn again.
int64_t streamed_weight_bytes();

}  // namespace bitnetc
