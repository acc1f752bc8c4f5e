// Reads regular expressions (docs/grammars.md says which).
#pragma once

#include <string_view>

#include "frontend/grammar/expression.h"
#include "runtime/status.h"

namespace bitnetc::grammar {

enum class RegexUse {
  kWhole,       // the whole text is matched
  kJsonSearch,  // some part of the content of a JSON string is; the expression is of its spelling
};

// Appends the expression to `grammar`. Error: kInvalidArgument with line and column.
Result<ExpressionId> parse_regex(std::string_view pattern, RegexUse use, SourceGrammar& grammar);

// What spells one of these characters inside a JSON string, each in one way.
ExpressionId json_spelling(const CharacterSet& set, SourceGrammar& grammar);
// "\"", "\\", "\n", "\u001f": how JSON spells what it does not take as it is.
std::string json_escape(uint32_t character);

}  // namespace bitnetc::grammar
