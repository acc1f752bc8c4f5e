// The methods of strings, lists, tuples and dicts. What would change its value is not one: the
// language has no mutation but that of namespaces.
#pragma once

#include <string_view>

#include "frontend/jinja/context.h"

namespace bitnetc::jinja {

bool has_method(const Value& value, std::string_view name);
// append(), update() and the like: named by Python, refused by its sandbox.
bool is_mutating_method(const Value& value, std::string_view name);
// has_method() is true.
Result<Value> call_method(Context& context, const Value& receiver, std::string_view name,
                          const Arguments& arguments);

}  // namespace bitnetc::jinja
