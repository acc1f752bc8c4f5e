// Many generations in one process: random prompts, lengths, samplings and endings, on sessions that
// live long, are made for one generation, or share pages. Nothing may be left behind, and what
// comes out is what a fresh process of the command prints.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/status.h"
#include "tests/scale/usage.h"

namespace bitnetc::test {

struct SoakRequest {
  std::string model;       // a .bnc file
  std::string cache_home;  // XDG_CACHE_HOME of fresh processes
  int generations = 0;
  uint64_t seed = 0;
  int compare_every = 100;  // every such generation again in a fresh process
};

struct SoakReport {
  int generations = 0, compared = 0;
  int cancelled = 0, by_callback = 0, to_the_end = 0;  // how they ended
  int64_t tokens = 0;                                  // prompts and texts
  int guessed = 0;
  ProcessUsage warm, last;            // after the warm-up, at the end
  std::vector<std::string> findings;  // what was left behind, what differs
};

// `say` is given a line now and then. Error: what a generation fails with.
Result<SoakReport> soak(const SoakRequest& request,
                        const std::function<void(const std::string&)>& say);

}  // namespace bitnetc::test
