// One function per family, named in the list of family.cpp.
#pragma once

#include "frontend/families/family.h"

namespace bitnetc {

Status build_bitnet(const ModelFacts& facts, WeightSource& weights, Graph* graph);  // bitnet.cpp

}  // namespace bitnetc
