// bitnetc_sampling and what the sampler takes.
#pragma once

#include "runtime/sampler.h"
#include "tools/capi/handles.h"

namespace bitnetc::capi {

// What the caller gave over the model's defaults. Error: as read_struct() and validate().
Result<SamplingParams> read_sampling(const OpenModel& open, const bitnetc_sampling* given);

}  // namespace bitnetc::capi
