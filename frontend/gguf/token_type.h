// What tokenizer.ggml.token_type says of a token.
#pragma once

#include <cstdint>

namespace bitnetc::gguf {

enum TokenType : int32_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

}  // namespace bitnetc::gguf
