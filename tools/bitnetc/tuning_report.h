// What is known of how matmuls run here, as text, as JSON and as pictures: for every shape, layout
// and number of tokens who won, by how much, what was predicted, and how far from the machine's
// limits that is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "autotune/limits.h"
#include "autotune/profile.h"
#include "autotune/usage.h"
#include "compiler/plan_source.h"
#include "tools/engine/engine.h"

namespace bitnetc {

// One number of tokens.
struct TuningRow {
  MatmulSpec spec;  // with its layout and m
  KernelChoice choice;
  std::optional<ProfileEntry> entry;  // where it was measured
  double roofline_s = 0;   // a call at the machine's limits, read bandwidth and int8 peak
  const char* bound = "";  // which of them: "memory" or "multiply"

  // Seconds of a call; 0 where it was not measured.
  double seconds() const { return entry ? entry->best().median_s : 0; }
};

struct TuningLayout {
  LayoutId layout;
  double us_per_token = 0;  // at the shares of the usage; 0 where too little was measured
  std::vector<TuningRow> rows;
};

struct TuningShape {
  MatmulSpec spec;
  LayoutId chosen = LayoutId::kI2S;
  std::vector<TuningLayout> layouts;
};

struct TuningView {
  std::string target;
  int threads = 1;
  Usage usage = Usage::kGeneration;
  MachineLimits limits;
  std::vector<TuningShape> shapes;
};

// From this machine's profile. `layouts`: empty: all. `options`: their plan says the threads and
// the usage.
TuningView tuning_view(const std::vector<MatmulSpec>& shapes, const std::vector<LayoutId>& layouts,
                       const EngineOptions& options);

// `all`: every kernel that was measured, not only who won.
std::string tuning_text(const TuningView& view, bool all);
// {"schema": "bitnetc.tuning", ...} on stdout; one view per number of threads.
void write_tuning_json(const std::vector<TuningView>& views);
// Sections of a page: per shape the layouts against each other, and for every contest its plans as
// a map.
std::string tuning_html(const TuningView& view);

}  // namespace bitnetc
