// The jobs of a tuning run, most valuable first. A run that is cut short then knows one token and
// many tokens of the biggest matrices, which decide layouts and most of the time.
#pragma once

#include <string>
#include <vector>

#include "autotune/tuner.h"

namespace bitnetc {

struct TuneJob {
  MatmulSpec spec;  // with layout and m
  int threads = 1;

  ProfileKey key(const Target& target) const;
  std::string text() const;  // "2560x6912:residual b3, 8 tokens"
};

// Numbers of tokens that are tuned, in waves: a wave is done for all matrices before the next
// begins.
std::vector<std::vector<int>> token_waves(Effort effort);

// Each job once, ordered by wave, number of threads as given, size of the matrix, layout as given.
std::vector<TuneJob> make_work_list(const TuneRequest& request);

}  // namespace bitnetc
