// Texts round a tag, such as "<tool_call>", as expressions of a grammar. Only the tag's first
// character may begin it: that character is in no other place of it.
#pragma once

#include <string_view>

#include "frontend/grammar/expression.h"
#include "frontend/think_text.h"

namespace bitnetc::grammar {

// Any text that does not hold the tag.
ExpressionId text_without(SourceGrammar& grammar, std::string_view tag);
// Any text that ends with the tag and holds it nowhere else.
ExpressionId text_up_to(SourceGrammar& grammar, std::string_view tag);

// Makes room for what a model thinks before a text of the grammar (frontend/think_text.h).
void put_think_block_before(SourceGrammar& grammar, ThinkPlace place);

}  // namespace bitnetc::grammar
