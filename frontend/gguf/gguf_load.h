// A GGUF model as a whole: metadata, weights, tokenizer.
#pragma once

#include <string>

#include "frontend/load.h"
#include "runtime/status.h"

namespace bitnetc {

// As load_model() in frontend/load.h, for a .gguf file.
Result<LoadedModel> load_gguf(const std::string& path);

// The tokenizer alone, as the text of a tokenizer.json. Error: as load_gguf(); weights are not
// looked at.
Result<std::string> load_gguf_tokenizer(const std::string& path);

}  // namespace bitnetc
