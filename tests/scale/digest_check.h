// Runs one model under many settings and compares what comes out, bit by bit.
#pragma once

#include <functional>
#include <string>

#include "runtime/status.h"
#include "tests/scale/settings.h"

namespace bitnetc::test {

struct DigestRequest {
  std::string source;  // a model folder
  std::string folder;  // for a compiled model of each layout; these stay
  Factors factors;
  int prompt_tokens = 0, steps = 0;
};

struct DigestReport {
  int runs = 0;
  std::vector<std::string> differences;  // the settings of the two, the first step, the ids
  int guessed = 0, guessed_right = 0;
  int64_t screened_passes = 0;
  int64_t skipping_runs = 0;  // in which neurons were skipped
};

// `say` is given a line per run. Error: as compile_model(), run_story().
Result<DigestReport> check_digests(const DigestRequest& request,
                                   const std::function<void(const std::string&)>& say);

}  // namespace bitnetc::test
