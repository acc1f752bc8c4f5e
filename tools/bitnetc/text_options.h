// -p, -f and --keep-newline, as `run` and `tokenize` take their text.
#pragma once

#include "tools/bitnetc/command_line.h"
#include "tools/bitnetc/text_input.h"

namespace bitnetc {

// `what`: "prompt" or "text".
void add_text_options(Command& command, TextInput& input, const char* what);

}  // namespace bitnetc
