// Compiled model + this machine -> Executable. Every step's spec gets a proven kernel; the sections
// a step names are checked against the sizes its spec implies.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codegen/kernel_builder.h"
#include "compiler/plan_source.h"
#include "runtime/executable.h"
#include "runtime/kv_type.h"
#include "runtime/status.h"

namespace bitnetc {

// One kernel the program uses, and how it came to be chosen.
struct LinkedKernel {
  std::string name;
  std::string generator;
  std::string step;  // the first step that uses it
  int steps = 0;     // how many use it
  Selection selection;
  int64_t build_ns = 0, proof_ns = 0;
};

// Matrices that do not run in the layout they are stored in, or not in the one they should.
struct LayoutChange {
  LayoutId stored, wanted, used;
  int matrices = 0;
  bool is_for_gpu = false;  // whose kernels read one layout: nobody asked for it
};

struct LinkReport {
  std::vector<LinkedKernel> kernels;
  std::vector<LayoutChange> layout_changes;
  int64_t build_ns = 0, proof_ns = 0;  // sums over kernels
  // Why no neurons are skipped; empty: they are, or the model was not compiled for it.
  std::string no_skipping;
  std::string no_screen;  // why the head cannot be screened; empty: it can, or there is none

  // One line per operation that runs on the reference kernels although faster ones were wanted,
  // with the reasons: what a user must be told.
  std::vector<std::string> fallbacks() const;
  // One line per entry of layout_changes: what was repacked, and why.
  std::vector<std::string> repacks() const;
};

struct LinkOptions {
  Target target;
  const PlanSource* plans = nullptr;  // asked when the artifact was planned for another tier
  bool choose_layouts = false;        // matrices in the layouts that `plans` want, not as stored
  KvType kv_type = KvType::kF16;
  // Where the kernels run, `target` being its own; null: on the CPU. The builder proves on it.
  std::shared_ptr<GpuDevice> gpu = nullptr;
};

// On a GPU, what kernels read of the model is uploaded; matrices are repacked to i2_s, the head is
// not screened and no neurons are skipped. Error: also kOutOfMemory of the GPU.
//
// A matrix is repacked in memory where another layout is wanted, and into i2_s where its layout
// leaves more numbers of tokens to the slow reference kernel than i2_s does.
Result<std::shared_ptr<const Executable>> link(std::shared_ptr<const CompiledModel> model,
                                               KernelBuilder& builder, const LinkOptions& options,
                                               LinkReport* report);

}  // namespace bitnetc
