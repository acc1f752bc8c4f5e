#include "frontend/grammar/expression.h"

#include <algorithm>
#include <utility>

namespace bitnetc::grammar {

ExpressionId SourceGrammar::add(Expression expression) {
  for (const ExpressionId part : expression.parts)
    expression.depth = std::max(expression.depth, at(part).depth + 1);
  for (const NetworkEdge& edge : expression.edges)
    expression.depth = std::max(expression.depth, at(edge.expression).depth + 1);
  expressions_.push_back(std::move(expression));
  return static_cast<ExpressionId>(expressions_.size() - 1);
}

ExpressionId SourceGrammar::bytes(std::string_view bytes) {
  return add({.kind = Expression::Kind::kBytes, .bytes = std::string(bytes)});
}

ExpressionId SourceGrammar::character(CharacterSet set) {
  return add({.kind = Expression::Kind::kCharacter, .characters = std::move(set)});
}

ExpressionId SourceGrammar::sequence(std::vector<ExpressionId> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.kind = Expression::Kind::kSequence, .parts = std::move(parts)});
}

ExpressionId SourceGrammar::choice(std::vector<ExpressionId> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.kind = Expression::Kind::kChoice, .parts = std::move(parts)});
}

ExpressionId SourceGrammar::repetition(ExpressionId part, uint32_t least, uint32_t most) {
  return add(
      {.kind = Expression::Kind::kRepetition, .parts = {part}, .least = least, .most = most});
}

ExpressionId SourceGrammar::rule(RuleId rule) {
  return add({.kind = Expression::Kind::kRule, .rule = rule});
}

ExpressionId SourceGrammar::network(uint32_t nodes, std::vector<NetworkEdge> edges) {
  return add({.kind = Expression::Kind::kNetwork, .nodes = nodes, .edges = std::move(edges)});
}

RuleId SourceGrammar::add_rule(std::string name) {
  rules_.push_back({.name = std::move(name)});
  return static_cast<RuleId>(rules_.size() - 1);
}

RuleId SourceGrammar::add_rule(std::string name, ExpressionId body) {
  const RuleId rule = add_rule(std::move(name));
  set_body(rule, body);
  return rule;
}

}  // namespace bitnetc::grammar
