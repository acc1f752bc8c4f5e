// How a config.json speaks of RoPE: rope_theta at the top, rope_scaling beside it, or both in the
// newer rope_parameters. Private to frontend/hf.
#pragma once

#include <string>
#include <vector>

#include "frontend/json/object_reader.h"
#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

struct HfRope {
  double theta = 0;
  RopeScaling scaling;
};

// `max_positions` is the model's context; `default_theta` is what no rope_theta means, 0: that is
// an error. What cannot change the result is added to `ignored`.
// Error: kDataCorrupt (missing, wrong type or range, two places that contradict one another) or
// kUnsupported for a kind of scaling that is not implemented, naming key and value.
Result<HfRope> read_hf_rope(ObjectReader* config, int64_t max_positions, double default_theta,
                            std::vector<std::string>* ignored);

}  // namespace bitnetc
