// What a text encoder is given for a text: the model's prompt in front, cut where it may be.
#pragma once

#include <optional>
#include <string>

#include "frontend/tokenizer.h"
#include "runtime/model_config.h"
#include "runtime/status.h"
#include "tools/engine/embedding.h"

namespace bitnetc {

// What stands in front of every text: the prompt `name`, or the model's default without one; empty:
// nothing. Error: kInvalidArgument listing the prompts that the model has.
Result<std::string> embedding_prompt(const std::optional<std::string>& name,
                                     const EncoderDefaults& defaults);

// The ids of a text, at most `most` of them; where it may be cut, what the tokenizer puts behind a
// text stays. Error: kInvalidArgument for a text that has none, or too many; as
// Tokenizer::encode().
Result<TextIds> encode_for_embedding(const Tokenizer& tokenizer, const std::string& text,
                                     int64_t most, bool may_cut);

}  // namespace bitnetc
