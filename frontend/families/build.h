// One object per family, each in the file of its name, listed in family.cpp.
#pragma once

#include "frontend/families/family.h"

namespace bitnetc {

extern const Family kBitnet;     // bitnet.cpp
extern const Family kOneBitLlm;  // one_bit_llm.cpp
extern const Family kLlama;      // llama.cpp
extern const Family kQwen3;      // qwen3.cpp
extern const Family kGemma3;     // gemma3.cpp

}  // namespace bitnetc
