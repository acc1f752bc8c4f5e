#include "frontend/jinja/call_arguments.h"

#include <algorithm>

namespace bitnetc::jinja {

Result<BoundArguments> BoundArguments::bind(std::string_view function, const Arguments& arguments,
                                            std::initializer_list<std::string_view> parameters,
                                            size_t required) {
  BoundArguments bound;
  bound.function_ = function;
  bound.names_ = parameters;
  bound.values_.resize(parameters.size());
  if (arguments.positional.size() > parameters.size())
    return make_error(StatusCode::kDataCorrupt, "{}: {} arguments, expected at most {}", function,
                      arguments.positional.size(), parameters.size());
  for (size_t i = 0; i < arguments.positional.size(); ++i)
    bound.values_[i] = arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto it = std::find(bound.names_.begin(), bound.names_.end(), name);
    const auto at = static_cast<size_t>(it - bound.names_.begin());
    if (it == bound.names_.end() || bound.values_[at])
      return make_error(StatusCode::kDataCorrupt, "{}: argument '{}' is {}", function, name,
                        it == bound.names_.end() ? "not known" : "given twice");
    bound.values_[at] = value;
  }
  for (size_t i = 0; i < required; ++i)
    if (!bound.values_[i])
      return make_error(StatusCode::kDataCorrupt, "{}: argument '{}' is missing", function,
                        bound.names_[i]);
  return bound;
}

bool BoundArguments::flag(size_t parameter, bool fallback) const {
  const Value* value = get(parameter);
  return value == nullptr ? fallback : value->is_true();
}

Status BoundArguments::wrong_type(size_t parameter, std::string_view expected) const {
  const Value& value = *get(parameter);
  if (const Undefined* undefined = value.get<Undefined>()) return undefined_error(*undefined);
  return make_error(StatusCode::kDataCorrupt, "{}: argument '{}' is of type '{}', expected {}",
                    function_, names_[parameter], value.type_name(), expected);
}

Result<int64_t> BoundArguments::integer(size_t parameter, int64_t fallback) const {
  const Value* value = get(parameter);
  if (value == nullptr || value->is_none()) return fallback;
  if (const auto integer = value->as_integer()) return *integer;
  return wrong_type(parameter, "an integer");
}

Result<Text> BoundArguments::text(size_t parameter, TextView fallback) const {
  const Value* value = get(parameter);
  if (value == nullptr || value->is_none()) return Text(fallback);
  if (const Text* text = value->text()) return *text;
  return wrong_type(parameter, "a string");
}

}  // namespace bitnetc::jinja
