#include "frontend/jinja/loop_object.h"

namespace bitnetc::jinja {

std::string Loop::describe() const {
  return fmt::format("<loop {}/{}>", index + 1, items_.size());
}

std::optional<Value> Loop::attribute(std::string_view name) const {
  const auto number = [](size_t value) { return Value::integer(static_cast<int64_t>(value)); };
  if (name == "index") return number(index + 1);
  if (name == "index0") return number(index);
  if (name == "revindex") return number(items_.size() - index);
  if (name == "revindex0") return number(items_.size() - index - 1);
  if (name == "length") return number(items_.size());
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index + 1 >= items_.size());
  if (name == "depth") return Value::integer(depth_ + 1);
  if (name == "depth0") return Value::integer(depth_);
  if (name == "previtem")
    return index > 0 ? items_[index - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem")
    return index + 1 < items_.size() ? items_[index + 1]
                                     : Value::undefined("there is no next item");
  return std::nullopt;
}

Result<Value> Loop::call_method(std::string_view name, const Arguments& arguments) {
  if (!arguments.named.empty())
    return make_error(StatusCode::kDataCorrupt, "loop.{}: expected values without names", name);
  if (name == "cycle") {
    if (arguments.positional.empty())
      return Status(StatusCode::kDataCorrupt, "loop.cycle: expected at least one value");
    return arguments.positional[index % arguments.positional.size()];
  }
  const Value now = Value::tuple(arguments.positional);
  const bool is_same = last_changed_ && equal(*last_changed_, now);
  last_changed_ = now;
  return Value::boolean(!is_same);
}

std::optional<Value> Macro::attribute(std::string_view name) const {
  if (name == "name") return Value::string(definition_->name);
  if (name == "catch_varargs") return Value::boolean(definition_->takes_more_positional);
  if (name == "catch_kwargs") return Value::boolean(definition_->takes_more_named);
  if (name == "caller") return Value::boolean(definition_->takes_caller);
  if (name != "arguments") return std::nullopt;
  std::vector<Value> parameters;
  for (const std::string& parameter : definition_->parameters)
    parameters.push_back(Value::string(parameter));
  return Value::tuple(std::move(parameters));
}

}  // namespace bitnetc::jinja
