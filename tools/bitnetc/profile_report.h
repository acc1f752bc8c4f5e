// What `run --profile` shows: the time of a token, step by step.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/engine/step_profile.h"

namespace bitnetc {

// On stderr. `read_bandwidth`: what this machine reads from memory, in bytes per second.
void print_profile(const StepProfile& profile, double read_bandwidth);
nlohmann::ordered_json json_of(const StepProfile& profile);

}  // namespace bitnetc
