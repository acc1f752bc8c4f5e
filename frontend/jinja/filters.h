// The filters and the tests of the language, by name.
#pragma once

#include <string_view>

#include "frontend/jinja/call_arguments.h"
#include "frontend/jinja/context.h"

namespace bitnetc::jinja {

// What a filter or a test works on.
struct FilterCall {
  Context& context;
  const Value& value;
  std::string_view name;
  const Arguments& arguments;

  Result<BoundArguments> bind(std::initializer_list<std::string_view> parameters,
                              size_t required = 0) const {
    return BoundArguments::bind(name, arguments, parameters, required);
  }
};

using FilterFunction = Result<Value> (*)(const FilterCall&);
struct NamedFilter {
  std::string_view name;
  FilterFunction function;
};
// Those of one file each; find_filter() looks through both.
std::span<const NamedFilter> text_filters();
std::span<const NamedFilter> list_filters();
const NamedFilter* find_filter(std::string_view name);

// Error: kUnsupported if there is no filter of that name.
Result<Value> apply_filter(Context& context, std::string_view name, const Value& value,
                           const Arguments& arguments);
bool is_test(std::string_view name);
Result<bool> apply_test(Context& context, std::string_view name, const Value& value,
                        const Arguments& arguments);

}  // namespace bitnetc::jinja
