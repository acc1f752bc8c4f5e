// From a source grammar to its automaton: a graph of each rule that the root reaches, checked, and
// laid out in one table.
#include <algorithm>
#include <optional>

#include "frontend/grammar/automaton.h"
#include "frontend/grammar/rule_graph.h"

namespace bitnetc::grammar {

class AutomatonBuilder {
 public:
  explicit AutomatonBuilder(SourceGrammar source) : source_(std::move(source)) {}

  Result<Automaton> build() {
    BITNETC_RETURN_IF_ERROR(build_graphs());
    find_empty_matches();
    BITNETC_RETURN_IF_ERROR(check_productive());
    BITNETC_RETURN_IF_ERROR(remove_empty_edges());
    lay_out();
    find_first_bytes();
    BITNETC_RETURN_IF_ERROR(check_left_recursion());
    return std::move(made_);
  }

 private:
  const std::string& name_of(RuleId rule) const { return source_.rules()[rule].name; }

  Status build_graphs() {
    RuleGraphBuilder builder(source_, states_left_);
    graphs_.resize(source_.rules().size());
    std::vector<RuleId> waiting = {source_.root};
    while (!waiting.empty()) {
      const RuleId rule = waiting.back();
      waiting.pop_back();
      if (!graphs_[rule].empty()) continue;
      BITNETC_ASSIGN_OR_RETURN(graphs_[rule], builder.build(rule));
      graphs_.resize(source_.rules().size());
      for (const GraphState& state : graphs_[rule])
        for (const CallEdge& edge : state.call_edges)
          if (graphs_[edge.rule].empty()) waiting.push_back(edge.rule);
    }
    return {};
  }

  // The rules whose end their start reaches, where calls pass of rules that are found to. Every
  // state is looked at once: behind a call one waits until the rule is found.
  std::vector<bool> rules_that_end(bool passes_bytes) const {
    struct Place {
      RuleId rule;
      StateId state;
    };
    std::vector<std::vector<bool>> is_reached(graphs_.size());
    std::vector<std::vector<Place>> behind_calls(graphs_.size());
    std::vector<bool> ends(graphs_.size(), false);
    std::vector<Place> waiting;
    const auto reach = [&](RuleId rule, StateId state) {
      if (is_reached[rule][state]) return;
      is_reached[rule][state] = true;
      waiting.push_back({rule, state});
    };
    for (size_t i = 0; i < graphs_.size(); ++i) {
      is_reached[i].resize(graphs_[i].size(), false);
      if (!graphs_[i].empty()) reach(static_cast<RuleId>(i), 0);
    }
    while (!waiting.empty()) {
      const auto [rule, at] = waiting.back();
      waiting.pop_back();
      const GraphState& state = graphs_[rule][at];
      if (state.accepts && !ends[rule]) {
        ends[rule] = true;
        for (const Place& each : behind_calls[rule]) reach(each.rule, each.state);
      }
      for (const StateId target : state.empty_edges) reach(rule, target);
      if (passes_bytes)
        for (const ByteEdge& edge : state.byte_edges) reach(rule, edge.target);
      for (const CallEdge& edge : state.call_edges) {
        if (ends[edge.rule])
          reach(rule, edge.target);
        else
          behind_calls[edge.rule].push_back({rule, edge.target});
      }
    }
    return ends;
  }

  void find_empty_matches() { matches_empty_ = rules_that_end(false); }

  // Of the rules that match nothing one is named that the others wait for.
  Status check_productive() {
    const std::vector<bool> ends = rules_that_end(true);
    std::optional<RuleId> at;
    for (size_t i = 0; i < graphs_.size() && !at; ++i)
      if (!graphs_[i].empty() && !ends[i]) at = static_cast<RuleId>(i);
    if (!at) return {};
    std::vector<bool> seen(graphs_.size(), false);
    for (std::optional<RuleId> next = at; next;) {
      at = next;
      seen[*at] = true;
      next.reset();
      for (const GraphState& state : graphs_[*at])
        for (const CallEdge& edge : state.call_edges)
          if (!ends[edge.rule] && !seen[edge.rule]) next = edge.rule;
    }
    return make_error(StatusCode::kInvalidArgument,
                      "rule {} matches no text: each of its texts holds another of it",
                      name_of(*at));
  }

  Status remove_empty_edges() {
    int64_t states = 0;
    for (size_t i = 0; i < graphs_.size(); ++i) {
      if (graphs_[i].empty()) continue;
      add_ways_around(graphs_[i], matches_empty_);
      trim(graphs_[i]);
      std::optional<RuleGraph> made = without_empty_edges(graphs_[i]);
      if (made) states += std::ssize(*made);
      if (!made || states > kMostStates)
        return make_error(StatusCode::kUnsupported,
                          "the grammar needs more than {} states; rule {} passes the limit",
                          kMostStates, name_of(static_cast<RuleId>(i)));
      graphs_[i] = *std::move(made);
    }
    return {};
  }

  void lay_out() {
    made_.root_ = source_.root;
    for (size_t i = 0; i < graphs_.size(); ++i) {
      const auto start = static_cast<StateId>(made_.states_.size());
      made_.rules_.push_back({.name = name_of(static_cast<RuleId>(i)),
                              .start = start,
                              .matches_empty = matches_empty_[i],
                              .first_bytes = {}});
      for (GraphState& state : graphs_[i]) {
        made_.states_.push_back({.first_byte_edge = static_cast<uint32_t>(made_.byte_edges_.size()),
                                 .byte_edges = static_cast<uint32_t>(state.byte_edges.size()),
                                 .first_call_edge = static_cast<uint32_t>(made_.call_edges_.size()),
                                 .call_edges = static_cast<uint32_t>(state.call_edges.size()),
                                 .accepts = state.accepts});
        for (ByteEdge edge : state.byte_edges) {
          edge.target += start;
          made_.byte_edges_.push_back(edge);
        }
        for (CallEdge edge : state.call_edges) {
          edge.target += start;
          made_.call_edges_.push_back(edge);
        }
      }
    }
  }

  bool is_used(size_t rule) const { return !graphs_[rule].empty(); }

  void find_first_bytes() {
    std::vector<std::vector<RuleId>> callers(made_.rules_.size());  // at their start
    std::vector<RuleId> waiting;
    for (size_t i = 0; i < made_.rules_.size(); ++i) {
      if (!is_used(i)) continue;
      AutomatonRule& rule = made_.rules_[i];
      for (const ByteEdge& edge : made_.byte_edges(rule.start))
        for (int byte = edge.bytes.first; byte <= edge.bytes.last; ++byte)
          rule.first_bytes.set(static_cast<size_t>(byte));
      for (const CallEdge& edge : made_.call_edges(rule.start))
        callers[edge.rule].push_back(static_cast<RuleId>(i));
      waiting.push_back(static_cast<RuleId>(i));
    }
    while (!waiting.empty()) {
      const RuleId rule = waiting.back();
      waiting.pop_back();
      for (const RuleId caller : callers[rule]) {
        std::bitset<256>& bytes = made_.rules_[caller].first_bytes;
        const std::bitset<256> more = bytes | made_.rules_[rule].first_bytes;
        if (more == bytes) continue;
        bytes = more;
        waiting.push_back(caller);
      }
    }
  }

  // A rule that calls itself before any byte.
  Status check_left_recursion() {
    enum class Seen : uint8_t { kNo, kOpen, kDone };
    std::vector<Seen> seen(made_.rules_.size(), Seen::kNo);
    struct Visit {
      RuleId rule;
      size_t next_call;
    };
    for (size_t i = 0; i < made_.rules_.size(); ++i) {
      if (!is_used(i) || seen[i] != Seen::kNo) continue;
      std::vector<Visit> way = {{static_cast<RuleId>(i), 0}};
      seen[i] = Seen::kOpen;
      while (!way.empty()) {
        Visit& at = way.back();
        const auto calls = made_.call_edges(made_.rules_[at.rule].start);
        if (at.next_call == calls.size()) {
          seen[at.rule] = Seen::kDone;
          way.pop_back();
          continue;
        }
        const RuleId callee = calls[at.next_call++].rule;
        if (seen[callee] == Seen::kOpen) {
          constexpr ptrdiff_t kMostNamed = 8;
          const auto from = std::ranges::find(way, callee, &Visit::rule);
          std::string names;
          for (auto each = from; each != way.end(); ++each) {
            if (each - from == kMostNamed) {
              names += "... -> ";
              break;
            }
            names += name_of(each->rule) + " -> ";
          }
          return make_error(
              StatusCode::kInvalidArgument,
              "rule {} can begin with itself ({}{}): expected no left recursion; write the "
              "repetition with * or +, or put the rule last",
              name_of(callee), names, name_of(callee));
        }
        if (seen[callee] == Seen::kNo) {
          seen[callee] = Seen::kOpen;
          way.push_back({callee, 0});
        }
      }
    }
    return {};
  }

  SourceGrammar source_;
  int64_t states_left_ = 2 * kMostStates;  // while there are empty edges
  std::vector<RuleGraph> graphs_;          // by rule; empty: the root does not reach it
  std::vector<bool> matches_empty_;
  Automaton made_;
};

Result<Automaton> compile_grammar(SourceGrammar source) {
  return AutomatonBuilder(std::move(source)).build();
}

}  // namespace bitnetc::grammar
