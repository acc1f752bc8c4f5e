#include "frontend/grammar/rule_graph.h"

#include <algorithm>
#include <string>

namespace bitnetc::grammar {
namespace {

// A repeated part that would take more states than this is a rule of its own.
constexpr uint64_t kMostCopiedStates = 2'000;
// Sizes are not counted beyond this.
constexpr uint64_t kManyStates = uint64_t{1} << 40;

// Graphs are built by recursion. Readers nest groups, and names of properties by their characters,
// of which there are up to 256.
constexpr uint32_t kMostExpressionDepth = 1'000;

// A way of byte ranges that ends in one state; equal ends of ways share their states.
using Tails = std::map<std::vector<ByteRange>, StateId>;

}  // namespace

StateId RuleGraphBuilder::add_state() {
  --states_left_;
  graph_.emplace_back();
  return static_cast<StateId>(graph_.size() - 1);
}

Result<RuleGraph> RuleGraphBuilder::build(RuleId rule) {
  const SourceRule& source = source_.rules()[rule];
  if (source_.at(source.body).depth > kMostExpressionDepth)
    return make_error(StatusCode::kUnsupported,
                      "rule {}: groups and repetitions are nested deeper than {}", source.name,
                      kMostExpressionDepth);
  graph_.clear();
  rule_ = rule;
  const StateId start = add_state(), end = add_state();
  BITNETC_RETURN_IF_ERROR(add(source.body, start, end));
  graph_[end].accepts = true;
  return std::move(graph_);
}

Status RuleGraphBuilder::add(ExpressionId id, StateId from, StateId to) {
  if (states_left_ < 0)
    return make_error(StatusCode::kUnsupported,
                      "the grammar needs more than {} states; rule {} passes the limit",
                      kMostStates, source_.rules()[rule_].name);
  const Expression& expression = source_.at(id);
  switch (expression.kind) {
    case Expression::Kind::kBytes: add_bytes(expression.bytes, from, to); return {};
    case Expression::Kind::kCharacter: add_character(expression.characters, from, to); return {};
    case Expression::Kind::kSequence:
      for (size_t i = 0; i < expression.parts.size(); ++i) {
        const StateId next = i + 1 < expression.parts.size() ? add_state() : to;
        BITNETC_RETURN_IF_ERROR(add(expression.parts[i], from, next));
        from = next;
      }
      if (expression.parts.empty()) graph_[from].empty_edges.push_back(to);
      return {};
    case Expression::Kind::kChoice:
      for (const ExpressionId part : expression.parts) BITNETC_RETURN_IF_ERROR(add(part, from, to));
      return {};
    case Expression::Kind::kRepetition: return add_repetition(expression, from, to);
    case Expression::Kind::kRule:
      graph_[from].call_edges.push_back({expression.rule, to});
      return {};
    case Expression::Kind::kNetwork: return add_network(expression, from, to);
  }
  return {};
}

void RuleGraphBuilder::add_bytes(const std::string& bytes, StateId from, StateId to) {
  if (bytes.empty()) graph_[from].empty_edges.push_back(to);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const StateId next = i + 1 < bytes.size() ? add_state() : to;
    const auto byte = static_cast<uint8_t>(bytes[i]);
    graph_[from].byte_edges.push_back({{byte, byte}, next});
    from = next;
  }
}

void RuleGraphBuilder::add_character(const CharacterSet& set, StateId from, StateId to) {
  Tails tails;
  for (const std::vector<ByteRange>& sequence : utf8_sequences(set)) {
    StateId next = to;
    for (size_t at = sequence.size() - 1; at > 0; --at) {
      const std::vector<ByteRange> tail(sequence.begin() + static_cast<ptrdiff_t>(at),
                                        sequence.end());
      const auto known = tails.find(tail);
      if (known != tails.end()) {
        next = known->second;
        continue;
      }
      const StateId state = add_state();
      graph_[state].byte_edges.push_back({sequence[at], next});
      tails.emplace(tail, state);
      next = state;
    }
    graph_[from].byte_edges.push_back({sequence[0], next});
  }
}

Status RuleGraphBuilder::add_repetition(const Expression& expression, StateId from, StateId to) {
  const bool is_unlimited = expression.most == kUnlimited;
  const uint64_t copies = uint64_t{is_unlimited ? expression.least + 1 : expression.most};
  BITNETC_ASSIGN_OR_RETURN(const ExpressionId part, copied_part(expression.parts[0], copies));
  for (uint32_t i = 0; i < expression.least; ++i) {
    const StateId next = add_state();
    BITNETC_RETURN_IF_ERROR(add(part, from, next));
    from = next;
  }
  if (is_unlimited) {
    const StateId loop = add_state();
    graph_[from].empty_edges.push_back(loop);
    graph_[loop].empty_edges.push_back(to);
    const StateId back = add_state();
    graph_[back].empty_edges.push_back(loop);
    return add(part, loop, back);
  }
  for (uint32_t i = expression.least; i < expression.most; ++i) {
    graph_[from].empty_edges.push_back(to);
    const StateId next = add_state();
    BITNETC_RETURN_IF_ERROR(add(part, from, next));
    from = next;
  }
  graph_[from].empty_edges.push_back(to);
  return {};
}

Status RuleGraphBuilder::add_network(const Expression& expression, StateId from, StateId to) {
  std::vector<StateId> nodes;
  for (uint32_t i = 0; i < expression.nodes; ++i) nodes.push_back(add_state());
  graph_[from].empty_edges.push_back(nodes.front());
  graph_[nodes.back()].empty_edges.push_back(to);
  for (const NetworkEdge& edge : expression.edges)
    BITNETC_RETURN_IF_ERROR(add(edge.expression, nodes[edge.from], nodes[edge.to]));
  return {};
}

Result<ExpressionId> RuleGraphBuilder::copied_part(ExpressionId part, uint64_t copies) {
  const uint64_t size = size_of(part);
  if (size < 4 || size * copies <= kMostCopiedStates) return part;
  if (const auto known = part_rules_.find(part); known != part_rules_.end())
    return source_.rule(known->second);
  const RuleId rule =
      source_.add_rule(fmt::format("{}, a repeated part", source_.rules()[rule_].name), part);
  part_rules_.emplace(part, rule);
  return source_.rule(rule);
}

// States that an expression takes, about.
uint64_t RuleGraphBuilder::size_of(ExpressionId id) {
  const auto [known, is_new] = sizes_.emplace(id, 0);
  if (!is_new) return known->second;
  const Expression& expression = source_.at(id);
  uint64_t parts = 0;
  switch (expression.kind) {
    case Expression::Kind::kBytes: parts = expression.bytes.size(); break;
    case Expression::Kind::kCharacter:
      parts = expression.characters.ranges().back().last <= 0x7F ? 1 : 8;
      break;
    case Expression::Kind::kRule: parts = 1; break;
    case Expression::Kind::kSequence:
    case Expression::Kind::kChoice:
      for (const ExpressionId part : expression.parts) parts += size_of(part);
      break;
    case Expression::Kind::kRepetition: {
      const uint32_t copies =
          expression.most == kUnlimited ? expression.least + 1 : expression.most;
      parts = 1 + size_of(expression.parts[0]) * uint64_t{copies};
      break;
    }
    case Expression::Kind::kNetwork:
      parts = expression.nodes;
      for (const NetworkEdge& edge : expression.edges) parts += size_of(edge.expression);
      break;
  }
  return sizes_[id] = std::min(parts, kManyStates);
}

}  // namespace bitnetc::grammar
