// A compiled grammar: of each rule an automaton over bytes and calls of other rules. Immutable.
//
// Every state can be left or accepts, every rule matches some text, and no rule can begin with
// itself. A call of a rule that matches the empty text, too, has an edge around it.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "frontend/grammar/expression.h"
#include "runtime/status.h"

namespace bitnetc::grammar {

inline constexpr int64_t kMostStates = 100'000;  // of all rules together

using StateId = uint32_t;

// Of one state: ascending, overlapping only where a rule was not made deterministic.
struct ByteEdge {
  ByteRange bytes;
  StateId target = 0;

  auto operator<=>(const ByteEdge&) const = default;
};

struct CallEdge {
  RuleId rule = 0;
  StateId target = 0;

  auto operator<=>(const CallEdge&) const = default;
};

struct AutomatonRule {
  std::string name;
  StateId start = 0;
  bool matches_empty = false;
  std::bitset<256> first_bytes;  // of the texts it matches
};

class Automaton {
 public:
  std::span<const ByteEdge> byte_edges(StateId state) const {
    return std::span(byte_edges_)
        .subspan(states_[state].first_byte_edge, states_[state].byte_edges);
  }
  std::span<const CallEdge> call_edges(StateId state) const {
    return std::span(call_edges_)
        .subspan(states_[state].first_call_edge, states_[state].call_edges);
  }
  bool accepts(StateId state) const { return states_[state].accepts; }
  // Accepts, and nothing follows.
  bool only_accepts(StateId state) const {
    const State& at = states_[state];
    return at.accepts && at.byte_edges == 0 && at.call_edges == 0;
  }
  const AutomatonRule& rule(RuleId id) const { return rules_[id]; }
  size_t rules() const { return rules_.size(); }
  size_t states() const { return states_.size(); }
  RuleId root() const { return root_; }

 private:
  friend class AutomatonBuilder;
  struct State {
    uint32_t first_byte_edge = 0, byte_edges = 0, first_call_edge = 0, call_edges = 0;
    bool accepts = false;
  };
  std::vector<State> states_;
  std::vector<ByteEdge> byte_edges_;
  std::vector<CallEdge> call_edges_;
  std::vector<AutomatonRule> rules_;
  RuleId root_ = 0;
};

// Compiles what the root can reach.
// Error: kInvalidArgument naming a rule that matches no text or that can begin with itself;
//        kUnsupported if more than kMostStates states are needed.
Result<Automaton> compile_grammar(SourceGrammar source);

}  // namespace bitnetc::grammar
