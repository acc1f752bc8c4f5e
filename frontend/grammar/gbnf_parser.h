// Reads GBNF (docs/grammars.md).
#pragma once

#include <string_view>

#include "frontend/grammar/expression.h"
#include "runtime/status.h"

namespace bitnetc::grammar {

// Error: kInvalidArgument with line and column, or naming a rule that is not there or there twice.
Result<SourceGrammar> parse_gbnf(std::string_view text);

}  // namespace bitnetc::grammar
