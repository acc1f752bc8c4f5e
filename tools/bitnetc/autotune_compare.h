// `bitnetc autotune --compare`: what several profiles choose, measured head to head.
#pragma once

#include <string>
#include <vector>

#include "autotune/tuner.h"

namespace bitnetc {

class CommandContext;

// Holds the choices of the profiles in `files` and of the heuristics against those of this
// machine's profile, for the shapes, layouts and threads of the request, in turns. Prints a line a
// kernel and the geometric means.
Result<int> compare_profiles(const TuneRequest& request, const std::vector<std::string>& files,
                             Usage usage, bool json, CommandContext& context);

}  // namespace bitnetc
