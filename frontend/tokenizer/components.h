// The components of a tokenizer.json, from JSON to what runs. Every kind, key or value that is not
// implemented is a kUnsupported error naming its path; a missing or ill-typed one is kDataCorrupt.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frontend/tokenizer/added_tokens.h"
#include "frontend/tokenizer/component_reader.h"
#include "frontend/tokenizer/pre_tokenizer.h"
#include "frontend/tokenizer/text_normalizer.h"
#include "frontend/tokenizer/token_decoding.h"
#include "frontend/tokenizer/token_model.h"
#include "runtime/status.h"

namespace bitnetc {

// In all of these, null `json` means the component is absent or JSON null.

// null, Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents.
Result<TextNormalizer> read_normalizer(const JsonValue* json);

struct PreTokenizer {
  std::vector<std::unique_ptr<const PreTokenizerStep>> steps;
  bool is_byte_level = false;
};
// null, Sequence, Split, ByteLevel (once), Digits, Metaspace, Punctuation, WhitespaceSplit.
Result<PreTokenizer> read_pre_tokenizer(const JsonValue* json);

// What encode(add_special) puts around the ids of the text.
struct TokenFrame {
  std::vector<int32_t> before;
  std::vector<int32_t> behind;
};
// null, Sequence, ByteLevel (which only concerns offsets), TemplateProcessing.
Result<TokenFrame> read_post_processor(const JsonValue* json);

// null, Sequence, ByteLevel, Metaspace, ByteFallback, Fuse, Replace, Strip, in an order that works
// on a stream.
Result<DecoderPlan> read_decoder(const JsonValue* json);

Result<std::vector<AddedToken>> read_added_tokens(const JsonValue* json);

// BPE, Unigram. `json` is the object at "model" of `document`, without its vocabulary and merges.
Result<std::unique_ptr<const TokenModel>> read_model(const JsonValue* json,
                                                     const TokenizerDocument& document,
                                                     bool is_byte_level);

}  // namespace bitnetc
