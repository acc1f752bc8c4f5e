// What a GGUF file says of its model, whether or not the model can be compiled.
#pragma once

#include <string>

#include "frontend/load.h"
#include "runtime/status.h"

namespace bitnetc {

// As outline_model() in frontend/load.h, for a .gguf file.
Result<ModelOutline> outline_gguf(const std::string& path);

}  // namespace bitnetc
