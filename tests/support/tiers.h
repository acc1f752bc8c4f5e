// The ISA tiers a test can run on this machine.
#pragma once

#include <vector>

#include "runtime/target.h"

namespace bitnetc::test {

// Every tier this machine has, kScalar first. Prints a line for each that it lacks: what a test did
// not cover is said, never silent.
std::vector<Isa> tiers_here();

}  // namespace bitnetc::test
