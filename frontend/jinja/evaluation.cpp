// The expressions of the interpreter.
#include <algorithm>

#include "frontend/jinja/filters.h"
#include "frontend/jinja/functions.h"
#include "frontend/jinja/interpreter.h"
#include "frontend/jinja/loop_object.h"
#include "frontend/jinja/methods.h"
#include "frontend/jinja/operations.h"

namespace bitnetc::jinja {

Result<Value> Interpreter::evaluate(const Expression& expression) {
  Status entered = enter();
  Result<Value> value = entered.ok() ? evaluate_kind(expression) : Result<Value>(entered);
  --depth_;
  if (!value.ok()) locate(expression.at);
  return value;
}

Result<Value> Interpreter::evaluate_kind(const Expression& expression) {
  switch (expression.kind) {
    case ExpressionKind::kConstant: return expression.constant;
    case ExpressionKind::kName: return lookup(expression.name);
    case ExpressionKind::kList:
    case ExpressionKind::kTuple: return evaluate_collection(expression);
    case ExpressionKind::kDict: return evaluate_dict(expression);
    case ExpressionKind::kUnary: {
      BITNETC_ASSIGN_OR_RETURN(const Value value, evaluate(*expression.children[0]));
      return negate(value, expression.operation);
    }
    case ExpressionKind::kBinary: return evaluate_binary(expression);
    case ExpressionKind::kConcatenate: return evaluate_concatenation(expression);
    case ExpressionKind::kCompare: return evaluate_comparisons(expression);
    case ExpressionKind::kAnd:
    case ExpressionKind::kOr:
    case ExpressionKind::kNot: return evaluate_logic(expression);
    case ExpressionKind::kConditional: return evaluate_conditional(expression);
    case ExpressionKind::kAttribute: {
      BITNETC_ASSIGN_OR_RETURN(const Value value, evaluate(*expression.children[0]));
      return attribute(context_, value, expression.name);
    }
    case ExpressionKind::kItem: {
      BITNETC_ASSIGN_OR_RETURN(const Value value, evaluate(*expression.children[0]));
      BITNETC_ASSIGN_OR_RETURN(const Value key, evaluate(*expression.children[1]));
      return item(context_, value, key);
    }
    case ExpressionKind::kSlice: return evaluate_slice(expression);
    case ExpressionKind::kCall: return evaluate_call(expression);
    case ExpressionKind::kFilter:
    case ExpressionKind::kTest: return evaluate_filter(expression);
  }
  return Value();
}

// The names of the scopes, then the functions of the language.
Result<Value> Interpreter::lookup(const std::string& name) {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent)
    if (const auto it = scope->names.find(name); it != scope->names.end()) return it->second;
  if (const std::optional<Function> function = find_function(name)) {
    BITNETC_ASSIGN_OR_RETURN(Function* const made, context_.make<Function>(*function));
    return Value::object(made);
  }
  if (name == "self") {
    BITNETC_ASSIGN_OR_RETURN(Namespace* const made, context_.make<Namespace>());
    return Value::object(made);
  }
  return Value::undefined(fmt::format("'{}' is undefined", name));
}

Result<Value> Interpreter::evaluate_collection(const Expression& expression) {
  std::vector<Value> items;
  for (const ExpressionPtr& child : expression.children) {
    BITNETC_ASSIGN_OR_RETURN(Value item, evaluate(*child));
    items.push_back(std::move(item));
  }
  return context_.made(expression.kind == ExpressionKind::kList ? Value::list(std::move(items))
                                                                : Value::tuple(std::move(items)));
}

Result<Value> Interpreter::evaluate_dict(const Expression& expression) {
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < expression.children.size(); i += 2) {
    BITNETC_ASSIGN_OR_RETURN(Value key, evaluate(*expression.children[i]));
    BITNETC_ASSIGN_OR_RETURN(Value value, evaluate(*expression.children[i + 1]));
    if (!is_hashable(key))
      return make_error(StatusCode::kDataCorrupt, "a value of type '{}' cannot be a key",
                        key.type_name());
    BITNETC_RETURN_IF_ERROR(context_.charge_walk(key.weight()));
    entries.emplace_back(std::move(key), std::move(value));
  }
  return context_.made(Value::dict(std::move(entries)));
}

Result<Value> Interpreter::evaluate_binary(const Expression& expression) {
  BITNETC_ASSIGN_OR_RETURN(const Value left, evaluate(*expression.children[0]));
  BITNETC_ASSIGN_OR_RETURN(const Value right, evaluate(*expression.children[1]));
  return binary(context_, expression.operation, left, right);
}

Result<Value> Interpreter::evaluate_concatenation(const Expression& expression) {
  Text text;
  for (const ExpressionPtr& child : expression.children) {
    BITNETC_ASSIGN_OR_RETURN(const Value value, evaluate(*child));
    BITNETC_RETURN_IF_ERROR(context_.charge_walk(value.weight()));
    text += to_text(value);
    BITNETC_RETURN_IF_ERROR(context_.check_size(static_cast<int64_t>(text.size())));
  }
  return context_.string(std::move(text));
}

Result<Value> Interpreter::evaluate_comparisons(const Expression& expression) {
  BITNETC_ASSIGN_OR_RETURN(Value left, evaluate(*expression.children[0]));
  for (size_t i = 0; i < expression.comparisons.size(); ++i) {
    BITNETC_ASSIGN_OR_RETURN(Value right, evaluate(*expression.children[i + 1]));
    BITNETC_ASSIGN_OR_RETURN(const bool holds,
                             compare(context_, expression.comparisons[i], left, right));
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Interpreter::evaluate_logic(const Expression& expression) {
  BITNETC_ASSIGN_OR_RETURN(Value left, evaluate(*expression.children[0]));
  if (expression.kind == ExpressionKind::kNot) return Value::boolean(!left.is_true());
  const bool is_decided = left.is_true() == (expression.kind == ExpressionKind::kOr);
  if (is_decided) return left;
  return evaluate(*expression.children[1]);
}

Result<Value> Interpreter::evaluate_conditional(const Expression& expression) {
  BITNETC_ASSIGN_OR_RETURN(const Value condition, evaluate(*expression.children[0]));
  if (condition.is_true()) return evaluate(*expression.children[1]);
  if (expression.children.size() > 2) return evaluate(*expression.children[2]);
  return Value::undefined("the condition of an if without else is false: it has no value");
}

Result<Value> Interpreter::evaluate_slice(const Expression& expression) {
  BITNETC_ASSIGN_OR_RETURN(const Value value, evaluate(*expression.children[0]));
  Value parts[3];
  for (size_t i = 0; i < 3; ++i) {
    const ExpressionPtr& part = expression.children[i + 1];
    if (part == nullptr) continue;
    BITNETC_ASSIGN_OR_RETURN(parts[i], evaluate(*part));
  }
  return slice(context_, value, parts[0], parts[1], parts[2]);
}

Result<Arguments> Interpreter::evaluate_arguments(const ArgumentList& list) {
  Arguments arguments;
  for (const ExpressionPtr& each : list.positional) {
    BITNETC_ASSIGN_OR_RETURN(Value value, evaluate(*each));
    arguments.positional.push_back(std::move(value));
  }
  if (list.more_positional) {
    BITNETC_ASSIGN_OR_RETURN(const Value more, evaluate(*list.more_positional));
    BITNETC_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(context_, more));
    arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
  }
  for (const auto& [name, each] : list.named) {
    BITNETC_ASSIGN_OR_RETURN(Value value, evaluate(*each));
    arguments.named.emplace_back(name, std::move(value));
  }
  if (list.more_named) {
    BITNETC_ASSIGN_OR_RETURN(const Value more, evaluate(*list.more_named));
    if (more.table() == nullptr)
      return make_error(StatusCode::kDataCorrupt, "a value of type '{}' behind **: expected a dict",
                        more.type_name());
    for (const auto& [name, value] : more.table()->entries())
      arguments.named.emplace_back(to_utf8(to_text(name)), value);
  }
  return arguments;
}

Result<Value> Interpreter::evaluate_filter(const Expression& expression) {
  Value value;
  if (expression.children.empty()) {
    BITNETC_CHECK(filtered_text_ != nullptr, "a filter over nothing");
    BITNETC_ASSIGN_OR_RETURN(value, context_.string(*filtered_text_));
  } else {
    BITNETC_ASSIGN_OR_RETURN(value, evaluate(*expression.children[0]));
  }
  BITNETC_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expression.arguments));
  if (expression.kind == ExpressionKind::kFilter)
    return apply_filter(context_, expression.name, value, arguments);
  BITNETC_ASSIGN_OR_RETURN(const bool holds,
                           apply_test(context_, expression.name, value, arguments));
  return Value::boolean(holds);
}

// A method that is called at once needs no object of its own.
Result<Value> Interpreter::evaluate_call(const Expression& expression, const Value* caller) {
  const Expression& callee = *expression.children[0];
  if (callee.kind == ExpressionKind::kAttribute) {
    BITNETC_ASSIGN_OR_RETURN(const Value receiver, evaluate(*callee.children[0]));
    if (has_method(receiver, callee.name)) {
      BITNETC_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expression.arguments));
      return call_method(context_, receiver, callee.name, arguments);
    }
    Object* const* object = receiver.get<Object*>();
    auto* loop = object == nullptr ? nullptr : dynamic_cast<Loop*>(*object);
    if (loop != nullptr && loop->has_method(callee.name)) {
      BITNETC_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expression.arguments));
      return loop->call_method(callee.name, arguments);
    }
    auto* rotation = object == nullptr ? nullptr : dynamic_cast<Rotation*>(*object);
    if (rotation != nullptr && rotation->has_method(callee.name)) {
      BITNETC_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expression.arguments));
      return rotation->call(callee.name, arguments);
    }
    BITNETC_ASSIGN_OR_RETURN(const Value function, attribute(context_, receiver, callee.name));
    BITNETC_ASSIGN_OR_RETURN(Arguments arguments, evaluate_arguments(expression.arguments));
    return call_value(function, std::move(arguments));
  }
  BITNETC_ASSIGN_OR_RETURN(const Value function, evaluate(callee));
  BITNETC_ASSIGN_OR_RETURN(Arguments arguments, evaluate_arguments(expression.arguments));
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  return call_value(function, std::move(arguments));
}

Result<Value> Interpreter::call_value(const Value& callee, Arguments arguments) {
  if (const Undefined* undefined = callee.get<Undefined>()) return undefined_error(*undefined);
  Object* const* object = callee.get<Object*>();
  if (object == nullptr || !(*object)->is_callable())
    return make_error(StatusCode::kDataCorrupt, "a value of type '{}' cannot be called",
                      callee.type_name());
  return call_object(*object, std::move(arguments));
}

Result<Value> Interpreter::call_object(Object* object, Arguments arguments) {
  if (const auto* function = dynamic_cast<Function*>(object))
    return function->call(context_, arguments);
  if (const auto* method = dynamic_cast<Method*>(object))
    return call_method(context_, method->receiver(), method->name(), arguments);
  if (const auto* macro = dynamic_cast<Macro*>(object))
    return call_macro(*macro, std::move(arguments));
  if (auto* rotation = dynamic_cast<Rotation*>(object)) return rotation->call("", arguments);
  auto* loop = dynamic_cast<Loop*>(object);
  BITNETC_CHECK(loop != nullptr, "{} cannot be called", object->type_name());
  return call_loop(*loop, arguments);
}

// loop(items) inside a recursive loop: its body over other items.
Result<Value> Interpreter::call_loop(Loop& loop, const Arguments& arguments) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           BoundArguments::bind("loop", arguments, {"items"}, 1));
  Text captured;
  Text* const before = std::exchange(output_, &captured);
  const Status status = run_loop(loop.statement(), *bound.get(0), loop.depth() + 1, loop.scope());
  output_ = before;
  BITNETC_RETURN_IF_ERROR(status);
  return context_.string(std::move(captured));
}

Result<Value> Interpreter::call_macro(const Macro& macro, Arguments arguments) {
  Scope* const before = scope_;
  scope_ = push_scope(macro.scope());
  Text captured;
  Text* const output = std::exchange(output_, &captured);
  const Flow flow = std::exchange(flow_, Flow::kNext);
  Status status = bind_parameters(macro, std::move(arguments));
  if (status.ok()) status = run_body(macro.definition().body);
  flow_ = flow;
  output_ = output;
  scope_ = before;
  pop_scope();
  BITNETC_RETURN_IF_ERROR(status);
  return context_.string(std::move(captured));
}

// Into the scope of the call, which is the current one.
Status Interpreter::bind_parameters(const Macro& macro, Arguments arguments) {
  const MacroDefinition& definition = macro.definition();
  auto& names = scope_->names;
  std::vector<Value> more_positional;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < definition.parameters.size()) {
      names[definition.parameters[i]] = std::move(arguments.positional[i]);
    } else if (definition.takes_more_positional) {
      more_positional.push_back(std::move(arguments.positional[i]));
    } else {
      return make_error(StatusCode::kDataCorrupt, "macro '{}': {} arguments, expected at most {}",
                        definition.name, arguments.positional.size(), definition.parameters.size());
    }
  }
  std::vector<std::pair<Value, Value>> more_named;
  for (auto& [name, value] : arguments.named) {
    const bool is_parameter = std::find(definition.parameters.begin(), definition.parameters.end(),
                                        name) != definition.parameters.end();
    const bool is_caller = name == "caller" && definition.takes_caller;
    if ((is_parameter || is_caller) && !names.contains(name)) {
      names[name] = std::move(value);
    } else if (definition.takes_more_named && !is_parameter) {
      more_named.emplace_back(Value::string(name), std::move(value));
    } else {
      return make_error(StatusCode::kDataCorrupt, "macro '{}': argument '{}' is {}",
                        definition.name, name, is_parameter ? "given twice" : "not known");
    }
  }
  const size_t required = definition.parameters.size() - definition.defaults.size();
  for (size_t i = 0; i < definition.parameters.size(); ++i) {
    const std::string& name = definition.parameters[i];
    if (names.contains(name)) continue;
    Value value = Value::undefined(fmt::format("parameter '{}' was not provided", name));
    if (i >= required) {
      BITNETC_ASSIGN_OR_RETURN(value, evaluate(*definition.defaults[i - required]));
    }
    names[name] = std::move(value);
  }
  if (definition.takes_more_positional) names["varargs"] = Value::tuple(std::move(more_positional));
  if (definition.takes_more_named) names["kwargs"] = Value::dict(std::move(more_named));
  if (definition.takes_caller && !names.contains("caller"))
    names["caller"] = Value::undefined("no caller defined");
  return {};
}

}  // namespace bitnetc::jinja
