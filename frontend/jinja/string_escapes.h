// The escapes in a string literal of a template: Python's.
#pragma once

#include "frontend/jinja/text.h"
#include "runtime/status.h"

namespace bitnetc::jinja {

// \n \t \r \a \b \f \v \\ \' \" \ooo \xHH \uHHHH \UHHHHHHHH, and a backslash before a newline,
// which takes both away. Any other backslash stays. Error: a cut or impossible escape.
Result<Text> unescape(TextView literal);

}  // namespace bitnetc::jinja
