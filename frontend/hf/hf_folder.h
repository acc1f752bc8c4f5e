// A Hugging Face model folder as a whole: configuration, weights, tokenizer, generation defaults.
#pragma once

#include <string>

#include "frontend/load.h"
#include "runtime/status.h"

namespace bitnetc {

// As load_model() in frontend/load.h, for a folder.
Result<LoadedModel> load_hf_folder(const std::string& folder);

}  // namespace bitnetc
