// Graph in, .bnc out. Weights are packed and written matrix by matrix, so the peak memory is one
// matrix and its packed form, whatever the size of the model.
#pragma once

#include <functional>
#include <string>

#include "compiler/graph.h"
#include "compiler/plan_source.h"
#include "runtime/program.h"
#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

struct CompileOptions {
  Target target;
  const PlanSource* plans = nullptr;  // required; also says the layout of every matrix
  std::string bitnetc_version;
  // Whether the file gets the head a second time in few bits, with which most tokens are chosen
  // without reading most of the head (docs/screened-head.md).
  bool screen = true;
  // Whether FFNs with squared ReLU get a second copy of up and down, of which a token reads the
  // neurons that are active (docs/sparse-ffn.md).
  bool skip_neurons = false;
  // Told after each step's weights are written; `done` of `total` steps. A false answer stops the
  // compilation with kCancelled.
  std::function<bool(int done, int total, const std::string& step)> progress;
};

struct CompileReport {
  int64_t file_bytes = 0;
  int64_t ternary_weights = 0;
  int64_t packed_bytes = 0;
  int steps = 0;
  bool cannot_screen = false;  // the head, although a screen was wanted
  bool cannot_skip = false;    // neurons, although that was wanted: there is no squared ReLU
};

// The matmuls that compile() makes of a graph, each shape and epilogue once: what a tuner has to
// measure. Layout and number of tokens are left at their defaults. Error: as compile().
Result<std::vector<MatmulSpec>> matmul_specs(const Graph& graph);

// Writes `output_path` through a temporary file; a failure leaves what was there before.
Result<CompileReport> compile(const Graph& graph, const std::string& output_path,
                              const CompileOptions& options);

}  // namespace bitnetc
