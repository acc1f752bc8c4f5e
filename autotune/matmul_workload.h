// A ternary matmul to time kernels on: operands of one shape and layout, as many copies of the
// matrix as the memory regime needs, and the two ways of running a kernel over them on the threads
// of a pool.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codegen/kernel_builder.h"
#include "runtime/buffer.h"
#include "runtime/thread_pool.h"

namespace bitnetc {

enum class WeightRegime {
  kCache,   // each thread goes over a few tiles of its own again and again
  kMemory,  // every call takes the next copy; the threads share its tiles and meet after it
};
std::string_view regime_name(WeightRegime regime);  // "cache", "memory"

// What one call of a regime does.
struct CallWork {
  int64_t weights = 0;  // decoded, whatever the number of tokens
  int64_t weight_bytes = 0;
};

// Memory for weights that workloads use one after the other, because fresh pages from the system
// take as long as filling them. The weights of a workload last until the next one fills the memory.
class WeightMemory {
 public:
  enum class Pages {
    kLarge,  // wished for: as measure_read_bandwidth, which speeds are compared with, reads
    kSmall,  // 4 KiB: as weights lie in a mapped model (docs/decisions/0004)
  };
  explicit WeightMemory(Pages pages) : pages_(pages) {}
  // At least so many bytes. std::bad_alloc without them.
  uint8_t* reserve(int64_t bytes);

 private:
  Pages pages_;
  Buffer<uint8_t> bytes_;
};

class MatmulWorkload {
 public:
  // `shape`: n, k, layout and epilogue; its m does not matter. Random weights and activations.
  // Weights are copied until they take `weight_bytes`. `memory`: for the weights; none: large pages
  // of its own. std::bad_alloc without the memory. Filling it takes up to seconds; once
  // `is_cancelled` says so, the rest is left as it is, and the workload is good for nothing.
  MatmulWorkload(const MatmulSpec& shape, int64_t max_tokens, int64_t weight_bytes,
                 std::shared_ptr<WeightMemory> memory = nullptr,
                 const std::function<bool()>& is_cancelled = {});

  // Builds the lookup tables of `form` for the first token and returns the seconds that took: the
  // least of several times, because interruptions only add. Error: as KernelBuilder::build.
  Result<double> build_tables(KernelBuilder& builder, const Target& target, TableForm form);

  // Compares bits with the reference: the first, middle and last token on the first and last tiles.
  // Error: kDisqualified saying which output differed first.
  Status check(KernelBuilder& builder, const BuiltKernel& built, int64_t tokens);

  // Runs the kernel `calls` times with that many tokens and returns the seconds. More tokens than a
  // call takes are several calls.
  double run(const BuiltKernel& built, int64_t tokens, WeightRegime regime, ThreadPool& pool,
             int64_t calls);
  // As run() from memory, for calls that take longer than the system lets a thread run undisturbed:
  // each run takes the next of `pieces` pieces of the matrix. Returns the seconds of one whole
  // call, scaled up from those of `runs` pieces.
  double run_pieces(const BuiltKernel& built, int64_t tokens, ThreadPool& pool, int64_t pieces,
                    int64_t runs);
  // How many pieces: each has at most `most_macs` multiply-accumulates, but no fewer tiles than all
  // kernels need for full speed.
  int64_t pieces(int64_t tokens, int threads, int64_t most_macs) const;
  CallWork work(WeightRegime regime, int threads) const;

 private:
  MatmulArgs args(TableForm form, int64_t copy, int64_t row, int64_t tokens, Range tiles);
  void call(const BuiltKernel& built, int64_t tokens, int64_t copy, Range tiles);
  void bring_inputs_in(TableForm form, int64_t tokens) const;
  Range cached_tiles(int member, int threads) const;
  Range shared_tiles(int member, int threads) const;
  Range piece_tiles(Range shared, int64_t piece, int64_t pieces) const;
  // Seconds from the first member's start of work(member) to the last one's end; all begin
  // together.
  static double time_together(ThreadPool& pool, const std::function<void(int member)>& prepare,
                              const std::function<void(int member)>& work);
  void fill_weights(const std::function<bool()>& is_cancelled);
  void fill_activations();
  // Outputs of the reference for one token and unit of tiles, computed once.
  Result<const std::array<float, kTileRows>*> expected(KernelBuilder& builder, int64_t m,
                                                       int64_t unit);

  MatmulSpec shape_;
  WeightLayout layout_;
  int64_t max_tokens_, copies_, x_stride_, unit_tiles_;
  int64_t next_copy_ = 0, next_piece_ = 0;
  std::shared_ptr<WeightMemory> memory_;
  uint8_t* w_;                 // copies_ times the matrix
  Buffer<uint8_t> tables_[2];  // words, bytes
  Buffer<int8_t> x_;
  Buffer<float> y_, residual_, x_scale_, tile_scale_;
  Buffer<int32_t> x_sum_;
  std::map<std::pair<int64_t, int64_t>, std::array<float, kTileRows>> expected_;  // by m and unit
};

// Four times the last-level cache: little of a copy is still cached when its turn comes again.
int64_t streamed_weight_bytes();

}  // namespace bitnetc
