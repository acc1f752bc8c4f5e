// What becomes of a rule's graph once it is built: without the empty edges, and deterministic.
#include <algorithm>
#include <map>
#include <set>

#include "frontend/grammar/rule_graph.h"

namespace bitnetc::grammar {
namespace {

using StateSet = std::vector<StateId>;  // ascending

// Members of all sets together; beyond this a rule is not made deterministic.
constexpr size_t kMostMembers = 2'000'000;
constexpr size_t kMostEdges = 2'000'000;

class Closures {
 public:
  explicit Closures(const RuleGraph& graph) : graph_(graph), mark_(graph.size(), 0) {}

  // What empty edges reach from `states`, without states that have no other edges.
  StateSet of(const StateSet& states) {
    ++round_;
    stack_.clear();
    for (const StateId state : states) push(state);
    StateSet found;
    while (!stack_.empty()) {
      const StateId state = stack_.back();
      stack_.pop_back();
      const GraphState& at = graph_[state];
      if (at.accepts || !at.byte_edges.empty() || !at.call_edges.empty()) found.push_back(state);
      for (const StateId next : at.empty_edges) push(next);
    }
    std::ranges::sort(found);
    return found;
  }

 private:
  void push(StateId state) {
    if (mark_[state] == round_) return;
    mark_[state] = round_;
    stack_.push_back(state);
  }

  const RuleGraph& graph_;
  std::vector<uint32_t> mark_;
  uint32_t round_ = 0;
  StateSet stack_;
};

void sort_and_join(StateSet& states) {
  std::ranges::sort(states);
  const auto repeated = std::ranges::unique(states);
  states.erase(repeated.begin(), repeated.end());
}

class Determinizer {
 public:
  explicit Determinizer(const RuleGraph& graph) : graph_(graph), closures_(graph) {}

  // Nothing: it takes too many states.
  std::optional<RuleGraph> run() {
    const size_t most_states = 4 * graph_.size() + 64;
    id_of({0});
    for (size_t at = 0; at < sets_.size(); ++at) {
      if (sets_.size() > most_states || members_ > kMostMembers) return std::nullopt;
      const StateSet set = *sets_[at];
      add_byte_edges(static_cast<StateId>(at), set);
      add_call_edges(static_cast<StateId>(at), set);
    }
    return std::move(made_);
  }

 private:
  StateId id_of(const StateSet& states) {
    const auto [known, is_new] =
        ids_.emplace(closures_.of(states), static_cast<StateId>(made_.size()));
    if (is_new) {
      members_ += known->first.size();
      sets_.push_back(&known->first);
      made_.emplace_back();
      made_.back().accepts =
          std::ranges::any_of(known->first, [&](StateId state) { return graph_[state].accepts; });
    }
    return known->second;
  }

  void add_byte_edges(StateId from, const StateSet& set) {
    std::vector<ByteEdge> edges;
    std::set<int> cuts;
    for (const StateId state : set)
      for (const ByteEdge& edge : graph_[state].byte_edges) {
        edges.push_back(edge);
        cuts.insert(edge.bytes.first);
        cuts.insert(edge.bytes.last + 1);
      }
    for (auto cut = cuts.begin(); cut != cuts.end() && std::next(cut) != cuts.end(); ++cut) {
      StateSet targets;
      for (const ByteEdge& edge : edges)
        if (edge.bytes.first <= *cut && *cut <= edge.bytes.last) targets.push_back(edge.target);
      if (targets.empty()) continue;
      sort_and_join(targets);
      const StateId target = id_of(targets);
      const ByteRange bytes = {static_cast<uint8_t>(*cut),
                               static_cast<uint8_t>(*std::next(cut) - 1)};
      std::vector<ByteEdge>& made = made_[from].byte_edges;
      if (!made.empty() && made.back().target == target &&
          made.back().bytes.last + 1 == bytes.first) {
        made.back().bytes.last = bytes.last;
      } else {
        made.push_back({bytes, target});
      }
    }
  }

  void add_call_edges(StateId from, const StateSet& set) {
    std::map<RuleId, StateSet> targets;
    for (const StateId state : set)
      for (const CallEdge& edge : graph_[state].call_edges)
        targets[edge.rule].push_back(edge.target);
    for (auto& [rule, states] : targets) {
      sort_and_join(states);
      const StateId target = id_of(states);
      made_[from].call_edges.push_back({rule, target});
    }
  }

  const RuleGraph& graph_;
  Closures closures_;
  std::map<StateSet, StateId> ids_;
  std::vector<const StateSet*> sets_;  // by id
  size_t members_ = 0;
  RuleGraph made_;
};

template <typename Edge>
void sort_edges(std::vector<Edge>& edges) {
  std::ranges::sort(edges);
  const auto repeated = std::ranges::unique(edges);
  edges.erase(repeated.begin(), repeated.end());
}

// Every state gets the edges of its closure.
std::optional<RuleGraph> closed(const RuleGraph& graph) {
  Closures closures(graph);
  RuleGraph made(graph.size());
  size_t edges = 0;
  for (size_t at = 0; at < graph.size(); ++at) {
    for (const StateId state : closures.of({static_cast<StateId>(at)})) {
      const GraphState& from = graph[state];
      made[at].accepts |= from.accepts;
      made[at].byte_edges.insert(made[at].byte_edges.end(), from.byte_edges.begin(),
                                 from.byte_edges.end());
      made[at].call_edges.insert(made[at].call_edges.end(), from.call_edges.begin(),
                                 from.call_edges.end());
    }
    sort_edges(made[at].byte_edges);
    sort_edges(made[at].call_edges);
    edges += made[at].byte_edges.size() + made[at].call_edges.size();
    if (edges > kMostEdges) return std::nullopt;
  }
  trim(made);
  return made;
}

// Calls `visit(target)` for every edge out of a state.
template <typename Visit>
void each_target(const GraphState& state, const Visit& visit) {
  for (const StateId target : state.empty_edges) visit(target);
  for (const ByteEdge& edge : state.byte_edges) visit(edge.target);
  for (const CallEdge& edge : state.call_edges) visit(edge.target);
}

std::vector<bool> reached(const std::vector<std::vector<StateId>>& edges, StateSet from) {
  std::vector<bool> is_reached(edges.size(), false);
  for (const StateId state : from) is_reached[state] = true;
  while (!from.empty()) {
    const StateId state = from.back();
    from.pop_back();
    for (const StateId next : edges[state]) {
      if (is_reached[next]) continue;
      is_reached[next] = true;
      from.push_back(next);
    }
  }
  return is_reached;
}

}  // namespace

void trim(RuleGraph& graph) {
  std::vector<std::vector<StateId>> forward(graph.size()), backward(graph.size());
  StateSet accepting;
  for (size_t at = 0; at < graph.size(); ++at) {
    const auto from = static_cast<StateId>(at);
    if (graph[at].accepts) accepting.push_back(from);
    each_target(graph[at], [&](StateId target) {
      forward[from].push_back(target);
      backward[target].push_back(from);
    });
  }
  const std::vector<bool> from_start = reached(forward, {0});
  const std::vector<bool> to_end = reached(backward, accepting);
  std::vector<StateId> place(graph.size(), 0);
  RuleGraph kept;
  for (size_t at = 0; at < graph.size(); ++at) {
    if (at != 0 && !(from_start[at] && to_end[at])) continue;
    place[at] = static_cast<StateId>(kept.size());
    kept.push_back(std::move(graph[at]));
  }
  const auto is_kept = [&](StateId state) { return from_start[state] && to_end[state]; };
  for (GraphState& state : kept) {
    std::erase_if(state.empty_edges, [&](StateId target) { return !is_kept(target); });
    std::erase_if(state.byte_edges, [&](const ByteEdge& edge) { return !is_kept(edge.target); });
    std::erase_if(state.call_edges, [&](const CallEdge& edge) { return !is_kept(edge.target); });
    for (StateId& target : state.empty_edges) target = place[target];
    for (ByteEdge& edge : state.byte_edges) edge.target = place[edge.target];
    for (CallEdge& edge : state.call_edges) edge.target = place[edge.target];
  }
  graph = std::move(kept);
}

void add_ways_around(RuleGraph& graph, const std::vector<bool>& matches_empty) {
  for (GraphState& state : graph)
    for (const CallEdge& edge : state.call_edges)
      if (matches_empty[edge.rule]) state.empty_edges.push_back(edge.target);
}

std::optional<RuleGraph> without_empty_edges(const RuleGraph& graph) {
  if (std::optional<RuleGraph> made = Determinizer(graph).run()) return made;
  return closed(graph);
}

}  // namespace bitnetc::grammar
