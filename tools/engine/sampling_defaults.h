// What a model's own files say of how its tokens are chosen.
#pragma once

#include <cstdint>

#include "runtime/model_config.h"
#include "runtime/sampler.h"

namespace bitnetc {

// Seed 0. Where the files do not ask for sampling, greedy.
SamplingParams default_sampling(const GenerationDefaults& defaults);

// Another one with every call.
uint64_t random_seed();

}  // namespace bitnetc
