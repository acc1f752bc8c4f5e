// What a Hugging Face folder says of its model, whether or not the model can be compiled.
#pragma once

#include <string>

#include "frontend/load.h"
#include "runtime/status.h"

namespace bitnetc {

// As outline_model() in frontend/load.h, for a folder.
Result<ModelOutline> outline_hf_folder(const std::string& folder);

}  // namespace bitnetc
