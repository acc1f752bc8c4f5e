// Whether two answers come of equal rules.
#pragma once

#include <string>

#include "tools/engine/engine.h"

namespace bitnetc {

// "fp_" and 16 digits, of all that answers depend on besides the request: the files that the model
// was made of, whatever it was compiled for, the type of keys and values, the source of the chat
// template (empty: none).
std::string answer_fingerprint(const Engine& engine, const std::string& template_source);

}  // namespace bitnetc
