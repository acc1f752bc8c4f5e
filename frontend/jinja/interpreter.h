// Runs a parsed template. One Interpreter is one rendering.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/jinja/ast.h"
#include "frontend/jinja/context.h"
#include "frontend/jinja/jinja.h"

namespace bitnetc::jinja {

class Loop;
class Macro;

// The names of one tag's body. Macros and recursive loops keep the scopes around them; all others
// end with their body.
struct Scope {
  Scope* parent = nullptr;
  std::map<std::string, Value, std::less<>> names;
  bool is_kept = false;
};

class Interpreter {
 public:
  Interpreter(const Value& variables, const RenderOptions& options);

  Status run(const Body& body);
  // Where the failure that run() returned is.
  Position error_position() const { return error_at_.value_or(Position{}); }

  // In code points of output().
  struct Range {
    size_t begin, end;
  };
  const Text& output() const { return *output_; }
  const std::vector<Range>& generation() const { return generation_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Statements.
  Status run_body(const Body& body);
  Status run_statement(const Statement& statement);
  Status dispatch(const Statement& statement);
  Status run_if(const Statement& statement);
  Status run_for(const Statement& statement);
  Status run_loop(const Statement& statement, const Value& iterable, int depth, Scope* scope);
  Status run_iterations(const Statement& statement, Loop& loop);
  Result<std::vector<Value>> filtered_items(const Statement& statement, std::vector<Value> items);
  Status run_set_block(const Statement& statement);
  Status run_macro(const Statement& statement);
  Status run_call_block(const Statement& statement);
  Status run_filter_block(const Statement& statement);
  Status run_with(const Statement& statement);
  Status run_scope(const Statement& statement);
  Status run_generation(const Statement& statement);
  Status emit(const Text& text);
  // Runs in a scope of its own; what it prints is returned instead.
  Result<Text> capture(const Body& body);
  Status run_scoped(const Body& body);
  Status assign(const Target& target, Value value);
  Status unpack(const Target& target, const Value& value);

  // Expressions.
  Result<Value> evaluate(const Expression& expression);
  Result<Value> evaluate_kind(const Expression& expression);
  Result<Value> evaluate_collection(const Expression& expression);
  Result<Value> evaluate_dict(const Expression& expression);
  Result<Value> evaluate_binary(const Expression& expression);
  Result<Value> evaluate_concatenation(const Expression& expression);
  Result<Value> evaluate_comparisons(const Expression& expression);
  Result<Value> evaluate_logic(const Expression& expression);
  Result<Value> evaluate_conditional(const Expression& expression);
  Result<Value> evaluate_slice(const Expression& expression);
  Result<Value> evaluate_filter(const Expression& expression);
  Result<Value> evaluate_call(const Expression& expression, const Value* caller = nullptr);
  Result<Value> filter_text(const Expression& filters, Text text);
  Result<Arguments> evaluate_arguments(const ArgumentList& list);
  Result<Value> lookup(const std::string& name);
  Result<Value> call_value(const Value& callee, Arguments arguments);
  Result<Value> call_object(Object* object, Arguments arguments);
  Result<Value> call_macro(const Macro& macro, Arguments arguments);
  Status bind_parameters(const Macro& macro, Arguments arguments);
  Result<Value> call_loop(Loop& loop, const Arguments& arguments);

  Status enter();            // one level deeper
  void locate(Position at);  // a failure; the innermost place is kept
  Scope* push_scope(Scope* parent);
  void pop_scope();
  static void keep_scopes(Scope* scope);  // with those around it

  Context context_;
  Limits limits_;
  std::deque<Scope> scopes_;
  Scope* scope_ = nullptr;
  Text main_output_;
  Text* output_ = &main_output_;
  const Text* filtered_text_ = nullptr;  // what the innermost filter without a value works on
  std::vector<Range> generation_;
  Flow flow_ = Flow::kNext;
  bool escapes_ = false;  // inside {% autoescape true %}
  int depth_ = 0;
  std::optional<Position> error_at_;
};

}  // namespace bitnetc::jinja
