// Reads JSON schemas: which keywords are honoured, ignored and refused, docs/grammars.md says.
#pragma once

#include <string_view>

#include "frontend/grammar/expression.h"
#include "runtime/status.h"

namespace bitnetc::grammar {

// Error: kInvalidArgument or kUnsupported with a JSON pointer.
Result<SourceGrammar> parse_json_schema(std::string_view json);
SourceGrammar any_json_object();

}  // namespace bitnetc::grammar
