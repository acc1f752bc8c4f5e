// From source to a parsed template: the grammar of Jinja without what loads other templates.
#pragma once

#include <string_view>

#include "frontend/jinja/ast.h"

namespace bitnetc::jinja {

// On failure returns false and sets `error`: kDataCorrupt for a syntax error, which says what was
// expected, kUnsupported for extends, include, import and for nesting that is too deep.
bool parse(std::string_view source, Body& body, LocatedError& error);

}  // namespace bitnetc::jinja
