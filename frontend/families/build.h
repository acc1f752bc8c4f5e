// One object per family, each in the file of its name, listed in family.cpp.
#pragma once

#include "frontend/families/family.h"

namespace bitnetc {

extern const Family kBitnet;     // bitnet.cpp
extern const Family kOneBitLlm;  // one_bit_llm.cpp
extern const Family kLlama;      // llama.cpp

}  // namespace bitnetc
