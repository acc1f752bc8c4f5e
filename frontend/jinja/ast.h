// A parsed template. Immutable; no node is deeper than the parser allows, so walks may recurse.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/jinja/lexer.h"
#include "frontend/jinja/value.h"

namespace bitnetc::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

enum class ExpressionKind {
  kConstant,     // constant
  kName,         // name
  kList,         // children
  kTuple,        // children
  kDict,         // children: key, value, key, value, ...
  kUnary,        // operation - or +; one child
  kBinary,       // operation + - * / // % **; two children
  kConcatenate,  // children, joined as text
  kCompare,      // children a b c ..., comparisons between them: a < b and b < c
  kAnd,          // two children
  kOr,           // two children
  kNot,          // one child
  kConditional,  // children: condition, value, and perhaps what it is otherwise
  kAttribute,    // child.name
  kItem,         // child[child]
  kSlice,        // child[start:stop:step]; absent parts are null
  kCall,         // the first child is called with the arguments
  kFilter,       // child|name(arguments); without a child: the text of a block
  kTest,         // child is name(arguments)
};

// The arguments written at a call, a filter or a test.
struct ArgumentList {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr more_positional;  // *x
  ExpressionPtr more_named;       // **x
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  Position at;
  std::string name;
  std::string operation;
  Value constant;
  std::vector<ExpressionPtr> children;
  std::vector<std::string> comparisons;  // "==", "not in", ...
  ArgumentList arguments;
  int height = 1;  // of the tree below
};

// Where a value goes: a name, an attribute of a namespace, or targets to unpack it into.
struct Target {
  Position at;
  std::string name;
  std::string attribute;  // not empty: name.attribute
  std::vector<Target> parts;
  bool is_tuple = false;
};

struct Statement;
using Body = std::vector<Statement>;

enum class StatementKind {
  kText,         // text
  kPrint,        // expression
  kIf,           // branches; the last one may have no condition
  kFor,          // target, expression (what is walked), condition (filter), body, otherwise
  kSet,          // target, expression
  kSetBlock,     // target, body; expression: filters over its text, or null
  kMacro,        // macro
  kCallBlock,    // expression (the call), macro (what caller() is)
  kFilterBlock,  // expression (filters over the text of the body), body
  kWith,         // bindings, body
  kScope,        // body; expression: of {% autoescape %}, null for {% block %}
  kGeneration,   // body
  kBreak,
  kContinue,
};

struct Branch;

struct MacroDefinition;

struct Statement {
  StatementKind kind = StatementKind::kText;
  Position at;
  Text text;
  ExpressionPtr expression;
  ExpressionPtr condition;
  Target target;
  bool is_recursive = false;
  Body body;
  Body otherwise;
  std::vector<Branch> branches;
  std::vector<std::pair<Target, ExpressionPtr>> bindings;
  std::shared_ptr<const MacroDefinition> macro;
};

struct Branch {
  ExpressionPtr condition;  // null: else
  Body body;
};

struct MacroDefinition {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExpressionPtr> defaults;  // of the last parameters
  bool takes_more_positional = false;   // the body speaks of varargs,
  bool takes_more_named = false;        // of kwargs,
  bool takes_caller = false;            // of caller
  Body body;
};

}  // namespace bitnetc::jinja
