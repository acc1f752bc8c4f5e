// The tokenizer of a GGUF model. Its metadata become the tokenizer.json that says the same, which
// is what a compiled model stores and what frontend/tokenizer reads.
#pragma once

#include <map>
#include <string>

#include "frontend/gguf/gguf_architecture.h"
#include "frontend/gguf/metadata_reader.h"
#include "frontend/load.h"
#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

struct GgufTokenizer {
  std::string json;
  std::string chat_template;                          // may be empty
  GenerationDefaults generation;                      // beginning and end of text
  std::map<std::string, std::string> special_tokens;  // "eos_token" -> its text
};

// What is known to be wrong in published files is repaired, with a note in `report`.
// Error: kNotFound without a tokenizer; kUnsupported for a kind or splitting rule that is not
// implemented; kDataCorrupt for metadata that contradict each other.
Result<GgufTokenizer> read_gguf_tokenizer(const GgufArchitecture& architecture, int64_t vocab_size,
                                          MetadataReader* reader, LoadReport* report);

}  // namespace bitnetc
