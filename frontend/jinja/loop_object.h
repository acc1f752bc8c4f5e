// What a template calls `loop`, and its macros.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/jinja/ast.h"
#include "frontend/jinja/call_arguments.h"
#include "frontend/jinja/context.h"

namespace bitnetc::jinja {

struct Scope;

class Loop final : public Object {
 public:
  Loop(const Statement& statement, std::vector<Value> items, int depth, Scope* scope)
      : statement_(statement), items_(std::move(items)), depth_(depth), scope_(scope) {}

  size_t index = 0;
  const std::vector<Value>& items() const { return items_; }
  int depth() const { return depth_; }
  const Statement& statement() const { return statement_; }
  Scope* scope() const { return scope_; }  // around the loop

  std::string_view type_name() const override { return "loop"; }
  std::string describe() const override;
  std::optional<Value> attribute(std::string_view name) const override;
  bool is_callable() const override { return statement_.is_recursive; }
  bool has_method(std::string_view name) const { return name == "cycle" || name == "changed"; }
  Result<Value> call_method(std::string_view name, const Arguments& arguments);

 private:
  const Statement& statement_;
  std::vector<Value> items_;
  int depth_;
  Scope* scope_;
  std::optional<Value> last_changed_;
};

class Macro final : public Object {
 public:
  Macro(std::shared_ptr<const MacroDefinition> definition, Scope* scope)
      : definition_(std::move(definition)), scope_(scope) {}

  const MacroDefinition& definition() const { return *definition_; }
  Scope* scope() const { return scope_; }  // where it was defined

  std::string_view type_name() const override { return "macro"; }
  std::string describe() const override { return "<macro '" + definition_->name + "'>"; }
  std::optional<Value> attribute(std::string_view name) const override;
  bool is_callable() const override { return true; }

 private:
  std::shared_ptr<const MacroDefinition> definition_;
  Scope* scope_;
};

}  // namespace bitnetc::jinja
