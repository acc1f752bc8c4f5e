// The tokenizer of a Hugging Face folder: which file holds it, and the tokens beside it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/mapped_file.h"
#include "runtime/status.h"

namespace bitnetc {

struct HfTokenizer {
  std::string bytes;                                     // for Tokenizer::from_file()
  std::string origin;                                    // what messages call it
  std::vector<std::shared_ptr<const MappedFile>> files;  // what it was read from
};

// tokenizer.json; else tokenizer.model, whose pieces the tokens of added_tokens.json follow, all of
// them special, as control pieces of the same model.
// Error: kNotFound naming tokenizer.json where the folder has neither; kDataCorrupt for a file that
// is empty, or a token whose id is neither that of its piece nor the next one.
Result<HfTokenizer> open_hf_tokenizer(const std::string& folder);

}  // namespace bitnetc
