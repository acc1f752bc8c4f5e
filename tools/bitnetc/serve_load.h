// Load on a server of this machine, and how it answers: `bitnetc bench serve`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/status.h"

namespace bitnetc {

struct LoadShape {
  int clients = 1;        // closed loop: each asks again as soon as it is answered
  double per_second = 0;  // open loop instead, unless 0: requests come at random, so many a second
  int requests = 16;      // in all
  int64_t prompt_tokens = 128, text_tokens = 64;
  int64_t vocab_size = 0;  // prompts are random ids
  uint64_t seed = 0;       // of ids and of the times at which requests come
};

struct LoadResult {
  LoadShape shape;
  int failed = 0;
  std::string failure;  // the first one
  double seconds = 0;   // from the first request to the last answer
  int64_t text_tokens = 0;
  // Seconds, ascending: from when a request was due to its first token; between tokens.
  std::vector<double> first_token, between_tokens;
};

// `values`, ascending, at `share` of the way, by the nearest rank; 0 where there are none.
double quantile(const std::vector<double>& values, double share);

// Streams completions of http://127.0.0.1:`port`. `is_stopped` ends it early.
LoadResult put_load(int port, const LoadShape& shape, bool (*is_stopped)());

std::string load_table(const std::vector<LoadResult>& results);

}  // namespace bitnetc
