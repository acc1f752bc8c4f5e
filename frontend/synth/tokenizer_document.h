// The tokenizer of a synthetic model: a token for each byte, then "begin of text" and "end of text"
// as the last two ids. Ids between them have names of their own, which no text is made of.
#pragma once

#include <cstdint>
#include <string>

namespace bitnetc {

// A tokenizer.json. vocab: at least 258.
std::string synth_tokenizer_json(int64_t vocab);

}  // namespace bitnetc
