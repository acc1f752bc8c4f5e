// The texts that ToolCallRules allow, as a grammar.
#pragma once

#include "frontend/grammar/expression.h"
#include "frontend/tool_calls.h"
#include "runtime/status.h"

namespace bitnetc::grammar {

// Error: as parse_json_schema(), behind the tool's name.
Result<SourceGrammar> tool_call_grammar(const ToolCallRules& rules);

}  // namespace bitnetc::grammar
