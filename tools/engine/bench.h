// How fast a model runs from end to end: prompts read and tokens generated, at depths of context,
// with numbers of threads and with kernels of each kind, in turns.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/executor.h"
#include "tools/engine/engine.h"

namespace bitnetc {

// Reads `prompt` tokens, then feeds `generated` more one by one, behind `depth` tokens that are not
// timed.
struct BenchTest {
  int64_t prompt = 0, generated = 0, depth = 0;
  int64_t tokens() const { return prompt + generated; }
  bool only_generates() const { return prompt == 0; }
  bool only_reads() const { return generated == 0; }
  std::string name() const;  // "pp512", "tg128", "pp512+tg128", "tg128 @ d4096"
};

struct BenchRequest {
  std::vector<BenchTest> tests;
  std::vector<int> threads;
  std::vector<GeneratorKind> kinds = {GeneratorKind::kGenerated};
  int repeats = 5;         // after one that does not count
  bool dense_ffn = false;  // every neuron, where the model was compiled to skip some
  bool full_head = false;  // every logit of generated tokens, instead of the greatest
};

// Of one test with one number of threads and one kind of kernels.
struct BenchRow {
  BenchTest test;
  int threads = 1;
  GeneratorKind kind = GeneratorKind::kGenerated;
  std::vector<double> seconds;  // of each repeat
  // Of generation alone, else 0: what a token reads, keys and values included, and the rate at
  // which as many threads read the model's file, bytes per second.
  double bytes_per_token = 0;
  double read_bandwidth = 0;
  // Of prompts alone, else 0: what the matmuls of a token take, and what the unit that kernels
  // multiply with does in as many threads, per second. A multiply-accumulate is two.
  double operations_per_token = 0;
  double peak_operations = 0;
  double joules_per_token = 0;  // 0: not known

  double median_seconds() const;
  double tokens_per_second() const;  // of the median
  // Of all repeats.
  double mean_rate() const;
  double rate_deviation() const;  // standard, of a sample
  double limit_share() const;     // of either limit; 0: there is none
};

struct Bench {
  std::string model;
  double model_bytes = 0;
  KvType kv_type = KvType::kF16;
  std::string energy;  // why there are no joules; empty: there are
  std::vector<BenchRow> rows;
  bool interrupted = false;  // then rows hold what was measured
};

// `progress(done, total, what)`. Error: as make_engine(), Session::append(); kInvalidArgument where
// a test does not fit the model's context.
Result<Bench> run_bench(const std::string& model, const BenchRequest& request,
                        const EngineOptions& options,
                        const std::function<void(int, int, const std::string&)>& progress);

}  // namespace bitnetc
