// A GGUF model as a whole: metadata, weights, tokenizer.
#pragma once

#include <string>

#include "frontend/gguf/gguf_model.h"
#include "frontend/load.h"
#include "runtime/status.h"

namespace bitnetc {

// As load_model() in frontend/load.h, for a .gguf file.
Result<LoadedModel> load_gguf(const std::string& path);
// The same of an opened one. Of bytes in memory the graph has views, so they must outlive it.
Result<LoadedModel> load_gguf(const GgufModel& model);

// The tokenizer alone, as the text of a tokenizer.json. Error: as load_gguf(); weights are not
// looked at.
Result<std::string> load_gguf_tokenizer(const std::string& path);

}  // namespace bitnetc
