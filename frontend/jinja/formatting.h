// Python's two ways of formatting: '%s %d' % (a, b) and '{} {x}'.format(a, x=b), and what their
// results have in common with a replaced text: a size that is checked before it is made.
#pragma once

#include "frontend/jinja/context.h"

namespace bitnetc::jinja {

Result<Value> format_percent(Context& context, TextView format, const Value& values);
Result<Value> format_braces(Context& context, TextView format, const Arguments& arguments);

// str.replace(); a negative `count` replaces all.
Result<Value> replace_text(Context& context, TextView text, TextView old_text, TextView new_text,
                           int64_t count);

}  // namespace bitnetc::jinja
