// What `bitnetc kernel bench` measures: every kernel of this build that can serve a matmul, against
// each other and against the limits of the machine. Printing is kernel_bench_report.h and
// kernel_bench_html.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autotune/kernel_measure.h"
#include "autotune/limits.h"
#include "autotune/matmul_workload.h"
#include "codegen/kernel_plan.h"
#include "codegen/kernel_spec.h"
#include "runtime/status.h"
#include "tools/engine/engine.h"

namespace bitnetc {

struct KernelBenchRequest {
  std::vector<MatmulSpec> shapes;  // n, k and epilogue count
  std::vector<int64_t> tokens;
  std::vector<int> threads;
  std::vector<LayoutId> layouts;
  std::vector<WeightRegime> regimes;
  std::string only;  // part of generator names; empty: all
  // Contestants beside the one with the PlanSource's plan, of generated kernels that take them.
  std::vector<KernelPlan> plans;
  bool reference = false;  // also where it takes long
  double budget_s = 0;
};

enum class KernelOrigin { kGenerated, kStatic, kReference };
std::string_view origin_name(KernelOrigin origin);  // "generated", "static", "reference"

// One kernel in one case.
struct KernelResult {
  std::string kernel, generator;
  std::string label;  // generator, tokens and plan: what tells kernels of one case apart
  KernelOrigin origin = KernelOrigin::kGenerated;
  std::optional<Isa> tier;         // whose unit it multiplies with
  std::string failure;             // why it was not timed
  bool looks_up = false;           // sums that were made before
  double tables_us_per_token = 0;  // of LUT kernels: building their tables
  SampleSummary seconds;           // of a call
  double weights_per_second = 0;
  double bytes_per_second = 0;       // of packed weights
  double operations_per_second = 0;  // 2 M N K / s
  double read_share = 0;             // of the read bandwidth; 0 for weights in cache
  double peak_share = 0;             // of the peak of the tier's unit; 0 where none is used
};

// How much faster generated code is than compiled code.
struct OriginRatio {
  std::string scope;  // a tier, or "overall"
  double generated_over_static = 0;
};

struct KernelCase {
  MatmulSpec spec;  // m does not count
  int64_t tokens = 1;
  int threads = 1;
  WeightRegime regime = WeightRegime::kMemory;
  std::vector<KernelResult> results;  // fastest first, failures last

  const KernelResult* winner() const;  // null when nothing was timed
  std::vector<OriginRatio> ratios() const;
};

// The overall ratios of many cases.
struct RatioSummary {
  int cases = 0;
  double geometric_mean = 0;
  double least = 0;
  const KernelCase* least_case = nullptr;
};

struct KernelBench {
  Target target;                      // that kernels were made for
  std::vector<MachineLimits> limits;  // one per number of threads
  std::vector<KernelCase> cases;
  bool interrupted = false;

  const MachineLimits& limits_of(int threads) const;
  RatioSummary generated_over_static() const;
};

using BenchProgress = std::function<void(int done, int total, const std::string& what)>;
// Ctrl-C ends it early; what was measured is returned.
// Error: kInvalidArgument (numbers no matmul can have, no such generator), kOutOfMemory.
Result<KernelBench> run_kernel_bench(const KernelBenchRequest& request,
                                     const EngineSettings& settings, const BenchProgress& progress);

}  // namespace bitnetc
