// Compares plan sources head to head: builds what each source chooses for the same matmuls as the
// linker would, and measures the kernels in turns. Sources can be two profiles, a profile and the
// heuristics, or a quick tuning and an exhaustive one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autotune/order_statistics.h"
#include "codegen/build_settings.h"
#include "codegen/kernel_spec.h"
#include "compiler/plan_source.h"
#include "runtime/status.h"

namespace bitnetc {

struct NamedPlans {
  std::string name;  // "heuristic", the file of a profile
  const PlanSource* plans = nullptr;
};

struct CompareRequest {
  std::vector<NamedPlans> sources;  // at least two; the others are held against the first
  std::vector<MatmulSpec> specs;    // m: of the kernel (kAnyM: kTunedPromptTokens tokens)
  bool choose_layouts = false;      // each source's own layout, not the spec's
  int threads = 1;
  Target target;
  BuildSettings build = {};
  double budget_s = 10;  // of measuring, for all specs together
};

// What one source chose for one spec.
struct ComparedChoice {
  LayoutId layout = LayoutId::kI2S;
  KernelChoice choice;
  std::string kernel;      // that really runs, by name
  MedianInterval seconds;  // of a call, tables included; 95 %
  MedianInterval
      ratio;  // its time over the first source's in the same round; exactly 1 for the same kernel
};

struct ComparedSpec {
  MatmulSpec spec;
  std::vector<ComparedChoice> choices;  // by source
};

struct Comparison {
  std::vector<ComparedSpec> specs;  // that were measured
  // By source: of the ratios' medians over all specs. Below 1: faster than the first source.
  std::vector<double> geometric_means;
  bool cancelled = false;
};

struct CompareHooks {
  std::function<void(int done, int total, const std::string& what)> progress;
  std::function<bool()> is_cancelled;  // asked between samples; the spec it falls into is left out
};

// Pins the calling thread while it runs. Error: kInvalidArgument (numbers no matmul can have,
// threads this process has not, fewer than two sources), kDisqualified (a kernel does not agree
// with the reference), kOutOfMemory.
Result<Comparison> compare_choices(const CompareRequest& request, const CompareHooks& hooks);

}  // namespace bitnetc
