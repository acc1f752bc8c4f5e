// The automaton of one rule while it is made: first with empty edges, then without, then
// deterministic where that costs little. State 0 is the start.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "frontend/grammar/automaton.h"

namespace bitnetc::grammar {

struct GraphState {
  std::vector<StateId> empty_edges;
  std::vector<ByteEdge> byte_edges;
  std::vector<CallEdge> call_edges;
  bool accepts = false;
};

using RuleGraph = std::vector<GraphState>;

// Rules that an expression repeats become rules of their own where copies would be many: these are
// added to `source` at its end.
class RuleGraphBuilder {
 public:
  RuleGraphBuilder(SourceGrammar& source, int64_t& states_left)
      : source_(source), states_left_(states_left) {}

  // With empty edges; one state accepts. Error: kUnsupported beyond the limit of states.
  Result<RuleGraph> build(RuleId rule);

 private:
  StateId add_state();
  Status add(ExpressionId id, StateId from, StateId to);
  void add_bytes(const std::string& bytes, StateId from, StateId to);
  void add_character(const CharacterSet& set, StateId from, StateId to);
  Status add_repetition(const Expression& expression, StateId from, StateId to);
  Status add_network(const Expression& expression, StateId from, StateId to);
  // A part that is to be copied `copies` times: itself, or a call of a rule that it becomes.
  Result<ExpressionId> copied_part(ExpressionId part, uint64_t copies);
  uint64_t size_of(ExpressionId id);

  SourceGrammar& source_;
  int64_t& states_left_;
  RuleId rule_ = 0;
  RuleGraph graph_;
  std::map<ExpressionId, RuleId> part_rules_;
  std::map<ExpressionId, uint64_t> sizes_;
};

// Removes states from which nothing accepts, and those that the start does not reach.
void trim(RuleGraph& graph);
// Adds an empty edge beside every call of a rule that matches the empty text.
void add_ways_around(RuleGraph& graph, const std::vector<bool>& matches_empty);
// Without empty edges, and with at most one edge for each byte and rule out of a state, unless that
// takes many more states than there were. Nothing: it has too many edges.
std::optional<RuleGraph> without_empty_edges(const RuleGraph& graph);

}  // namespace bitnetc::grammar
