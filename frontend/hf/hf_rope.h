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

// What no key means.
struct RopeDefaults {
  double theta = 0;         // 0: rope_theta must be there
  double window_theta = 0;  // of layers that see a window
};

// `max_positions` is the model's context. `window` receives what layers that see a window have, if
// it is not null. What cannot change the result is added to `ignored`.
// Error: kDataCorrupt (missing, wrong type or range, two places that contradict one another) or
// kUnsupported for a kind of scaling that is not implemented, naming key and value.
Result<HfRope> read_hf_rope(ObjectReader* config, int64_t max_positions,
                            const RopeDefaults& defaults, HfRope* window,
                            std::vector<std::string>* ignored);

}  // namespace bitnetc
