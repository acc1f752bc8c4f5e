// Everything about a run that must not change a bit of what it computes.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "codegen/matmul_work.h"
#include "codegen/weight_layout.h"
#include "runtime/target.h"

namespace bitnetc::test {

// Where the keys and values of a sequence lie.
enum class Pages {
  kFresh,   // in pages that nothing was written to
  kReused,  // in pages with keys and values of tokens that were taken back
  kForked,  // in pages that are shared with a sequence which goes on with other tokens
};

struct Settings {
  int threads = 1;
  Isa tier = Isa::kScalar;
  LayoutId layout = LayoutId::kI2S;
  GeneratorKind kernels = GeneratorKind::kGenerated;  // the fastest kind that is built
  int chunk_tokens = 1;                               // most tokens of a prompt in a pass
  bool screen = false;
  bool skip_neurons = false;  // of a model compiled for it
  int most_drafts = 0;
  Pages pages = Pages::kFresh;

  // "2 threads, avx2, tl1, generated, chunks of 7, full head, all neurons, 7 drafts,
  // fresh pages"
  std::string describe() const;
};

// Which kernels run: the best of a tier and kind. One factor, because much exists in some of them
// only, such as the screened head.
struct KernelChoice {
  Isa tier;
  GeneratorKind fastest;
};

// The levels of each factor.
struct Factors {
  std::vector<int> threads;
  std::vector<KernelChoice> kernels;
  std::vector<LayoutId> layouts;
  std::vector<int> chunk_tokens;
  std::vector<int> screen;        // 0 and 1
  std::vector<int> skip_neurons;  // 0 and 1
  std::vector<int> most_drafts;
  std::vector<Pages> pages;
};
// 1, 2 and 5 threads, every layout, chunks of 1, 7 and 512 tokens, screened head, skipped neurons
// and drafts on and off, pages of every kind; of the tiers those given, with generated and with
// compiled kernels (kScalar has neither).
Factors all_factors(std::span<const Isa> tiers);

// Runs in which every two levels of different factors meet.
std::vector<Settings> covering_settings(const Factors& factors);
// One thread, generated kernels of this machine's best tier, nothing left out, nothing guessed.
Settings plain_settings();

}  // namespace bitnetc::test
