// The statements; expressions are in evaluation.cpp.
#include "frontend/jinja/interpreter.h"

#include <algorithm>

#include "frontend/jinja/filters.h"
#include "frontend/jinja/functions.h"
#include "frontend/jinja/loop_object.h"
#include "frontend/jinja/operations.h"
#include "frontend/jinja/string_functions.h"

namespace bitnetc::jinja {

Interpreter::Interpreter(const Value& variables, const RenderOptions& options)
    : context_(options.limits.steps, options.now), limits_(options.limits) {
  scope_ = push_scope(nullptr);
  for (const auto& [name, value] : variables.table()->entries())
    scope_->names[to_utf8(to_text(name))] = value;
}

Status Interpreter::run(const Body& body) {
  scope_ = push_scope(scope_);
  return run_body(body);
}

void Interpreter::locate(Position at) {
  if (!error_at_) error_at_ = at;
}

Status Interpreter::enter() {
  if (++depth_ <= limits_.depth) return context_.charge(1);
  return make_error(StatusCode::kUnsupported, "tags, macros and expressions nested deeper than {}",
                    limits_.depth);
}

Scope* Interpreter::push_scope(Scope* parent) {
  return &scopes_.emplace_back(Scope{.parent = parent});
}

// Scopes end in the order opposite to their making, but for those that a macro keeps.
void Interpreter::pop_scope() {
  if (!scopes_.back().is_kept) scopes_.pop_back();
}

void Interpreter::keep_scopes(Scope* scope) {
  for (; scope != nullptr && !scope->is_kept; scope = scope->parent) scope->is_kept = true;
}

Status Interpreter::run_body(const Body& body) {
  for (const Statement& statement : body) {
    BITNETC_RETURN_IF_ERROR(run_statement(statement));
    if (flow_ != Flow::kNext) break;
  }
  return {};
}

Status Interpreter::run_statement(const Statement& statement) {
  Status status = enter();
  if (status.ok()) status = dispatch(statement);
  --depth_;
  if (!status.ok()) locate(statement.at);
  return status;
}

Status Interpreter::dispatch(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kText: return emit(statement.text);
    case StatementKind::kPrint: {
      BITNETC_ASSIGN_OR_RETURN(const Value value, evaluate(*statement.expression));
      BITNETC_RETURN_IF_ERROR(context_.charge_walk(value.weight()));
      const String* string = value.get<String>();
      const bool is_markup = string != nullptr && string->is_markup;
      return emit(escapes_ && !is_markup ? escape_html(to_text(value)) : to_text(value));
    }
    case StatementKind::kIf: return run_if(statement);
    case StatementKind::kFor: return run_for(statement);
    case StatementKind::kSet: {
      BITNETC_ASSIGN_OR_RETURN(Value value, evaluate(*statement.expression));
      return assign(statement.target, std::move(value));
    }
    case StatementKind::kSetBlock: return run_set_block(statement);
    case StatementKind::kMacro: return run_macro(statement);
    case StatementKind::kCallBlock: return run_call_block(statement);
    case StatementKind::kFilterBlock: return run_filter_block(statement);
    case StatementKind::kWith: return run_with(statement);
    case StatementKind::kScope: return run_scope(statement);
    case StatementKind::kGeneration: return run_generation(statement);
    case StatementKind::kBreak: flow_ = Flow::kBreak; return {};
    case StatementKind::kContinue: flow_ = Flow::kContinue; return {};
  }
  return {};
}

Status Interpreter::emit(const Text& text) {
  BITNETC_RETURN_IF_ERROR(context_.charge_walk(static_cast<int64_t>(text.size())));
  *output_ += text;
  if (static_cast<int64_t>(output_->size()) <= limits_.output_characters) return {};
  return make_error(StatusCode::kUnsupported, "the template prints more than {} characters",
                    limits_.output_characters);
}

Status Interpreter::run_if(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (branch.condition) {
      BITNETC_ASSIGN_OR_RETURN(const Value condition, evaluate(*branch.condition));
      if (!condition.is_true()) continue;
    }
    return run_body(branch.body);
  }
  return {};
}

Status Interpreter::run_for(const Statement& statement) {
  BITNETC_ASSIGN_OR_RETURN(const Value iterable, evaluate(*statement.expression));
  return run_loop(statement, iterable, 0, scope_);
}

// The items for which the condition of the loop holds.
Result<std::vector<Value>> Interpreter::filtered_items(const Statement& statement,
                                                       std::vector<Value> items) {
  std::vector<Value> kept;
  for (Value& item : items) {
    scope_ = push_scope(scope_);
    Status status = assign(statement.target, item);
    bool holds = false;
    if (status.ok()) {
      const Result<Value> condition = evaluate(*statement.condition);
      status = condition.status();
      holds = condition.ok() && condition->is_true();
    }
    scope_ = scope_->parent;
    pop_scope();
    BITNETC_RETURN_IF_ERROR(status);
    if (holds) kept.push_back(std::move(item));
  }
  return kept;
}

// `scope` is the one around the loop; `depth` counts recursions. A recursive loop can be called for
// as long as somebody has it.
Status Interpreter::run_loop(const Statement& statement, const Value& iterable, int depth,
                             Scope* scope) {
  if (statement.is_recursive) keep_scopes(scope);
  Scope* const before = std::exchange(scope_, scope);
  Result<std::vector<Value>> items = iterate(context_, iterable);
  if (items.ok() && statement.condition) items = filtered_items(statement, *std::move(items));
  Status status = items.status();
  if (status.ok()) {
    const Result<Loop*> loop = context_.make<Loop>(statement, *std::move(items), depth, scope);
    status = loop.ok() ? run_iterations(statement, **loop) : loop.status();
  }
  scope_ = before;
  return status;
}

// Jinja takes the else of a loop when no iteration came to the end of its body: also when the first
// one breaks.
Status Interpreter::run_iterations(const Statement& statement, Loop& loop) {
  bool is_any_whole = false;
  for (loop.index = 0; loop.index < loop.items().size(); ++loop.index) {
    BITNETC_RETURN_IF_ERROR(context_.charge(1));
    scope_ = push_scope(scope_);
    scope_->names["loop"] = Value::object(&loop);
    Status status = assign(statement.target, loop.items()[loop.index]);
    if (status.ok()) status = run_body(statement.body);
    scope_ = scope_->parent;
    pop_scope();
    BITNETC_RETURN_IF_ERROR(status);
    const Flow flow = std::exchange(flow_, Flow::kNext);
    if (flow == Flow::kBreak) break;
    is_any_whole |= flow == Flow::kNext;
  }
  return is_any_whole ? Status() : run_scoped(statement.otherwise);
}

Status Interpreter::run_scoped(const Body& body) {
  scope_ = push_scope(scope_);
  const Status status = run_body(body);
  scope_ = scope_->parent;
  pop_scope();
  return status;
}

Result<Text> Interpreter::capture(const Body& body) {
  Text captured;
  Text* const before = std::exchange(output_, &captured);
  const Status status = run_scoped(body);
  output_ = before;
  BITNETC_RETURN_IF_ERROR(status);
  return captured;
}

Result<Value> Interpreter::filter_text(const Expression& filters, Text text) {
  const Text* const before = std::exchange(filtered_text_, &text);
  Result<Value> result = evaluate(filters);
  filtered_text_ = before;
  return result;
}

Status Interpreter::run_set_block(const Statement& statement) {
  BITNETC_ASSIGN_OR_RETURN(Text text, capture(statement.body));
  if (statement.expression == nullptr) {
    BITNETC_ASSIGN_OR_RETURN(Value value, context_.string(std::move(text)));
    return assign(statement.target, std::move(value));
  }
  BITNETC_ASSIGN_OR_RETURN(Value value, filter_text(*statement.expression, std::move(text)));
  return assign(statement.target, std::move(value));
}

Status Interpreter::run_filter_block(const Statement& statement) {
  BITNETC_ASSIGN_OR_RETURN(Text text, capture(statement.body));
  BITNETC_ASSIGN_OR_RETURN(const Value value, filter_text(*statement.expression, std::move(text)));
  return emit(to_text(value));
}

// The macro sees the names around it as they are when it is called, so their scopes stay.
Status Interpreter::run_macro(const Statement& statement) {
  keep_scopes(scope_);
  BITNETC_ASSIGN_OR_RETURN(Macro* const macro, context_.make<Macro>(statement.macro, scope_));
  scope_->names[statement.macro->name] = Value::object(macro);
  return {};
}

Status Interpreter::run_call_block(const Statement& statement) {
  keep_scopes(scope_);
  BITNETC_ASSIGN_OR_RETURN(Macro* const macro, context_.make<Macro>(statement.macro, scope_));
  const Value caller = Value::object(macro);
  BITNETC_ASSIGN_OR_RETURN(const Value value, evaluate_call(*statement.expression, &caller));
  return emit(to_text(value));
}

// The values see the names around the tag, not one another.
Status Interpreter::run_with(const Statement& statement) {
  std::vector<Value> values;
  for (const auto& [target, expression] : statement.bindings) {
    BITNETC_ASSIGN_OR_RETURN(Value value, evaluate(*expression));
    values.push_back(std::move(value));
  }
  scope_ = push_scope(scope_);
  for (size_t i = 0; i < values.size(); ++i)
    scope_->names[statement.bindings[i].first.name] = std::move(values[i]);
  const Status status = run_body(statement.body);
  scope_ = scope_->parent;
  pop_scope();
  return status;
}

// {% autoescape %}; {% block %} has no expression.
Status Interpreter::run_scope(const Statement& statement) {
  if (statement.expression == nullptr) return run_scoped(statement.body);
  BITNETC_ASSIGN_OR_RETURN(const Value escapes, evaluate(*statement.expression));
  const bool before = std::exchange(escapes_, escapes.is_true());
  const Status status = run_scoped(statement.body);
  escapes_ = before;
  return status;
}

Status Interpreter::run_generation(const Statement& statement) {
  BITNETC_ASSIGN_OR_RETURN(const Text text, capture(statement.body));
  const size_t begin = main_output_.size();
  generation_.push_back({begin, begin + text.size()});
  return emit(text);
}

Status Interpreter::unpack(const Target& target, const Value& value) {
  BITNETC_ASSIGN_OR_RETURN(std::vector<Value> items, iterate(context_, value));
  if (items.size() != target.parts.size())
    return make_error(StatusCode::kDataCorrupt, "{} values for {} names", items.size(),
                      target.parts.size());
  for (size_t i = 0; i < items.size(); ++i)
    BITNETC_RETURN_IF_ERROR(assign(target.parts[i], std::move(items[i])));
  return {};
}

Status Interpreter::assign(const Target& target, Value value) {
  if (target.is_tuple) return unpack(target, value);
  if (target.attribute.empty()) {
    scope_->names[target.name] = std::move(value);
    return {};
  }
  BITNETC_ASSIGN_OR_RETURN(const Value holder, lookup(target.name));
  Object* const* object = holder.get<Object*>();
  auto* space = object == nullptr ? nullptr : dynamic_cast<Namespace*>(*object);
  if (space == nullptr)
    return make_error(StatusCode::kDataCorrupt,
                      "'{}' is not a namespace: its attributes cannot be set", target.name);
  space->set(target.attribute, std::move(value));
  return {};
}

}  // namespace bitnetc::jinja
