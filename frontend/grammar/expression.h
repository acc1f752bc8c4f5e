// A grammar as its readers leave it: rules whose bodies are expressions over bytes, characters and
// other rules. Expressions lie in one pool and name each other by index, so one may be used twice.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/grammar/character_set.h"

namespace bitnetc::grammar {

using ExpressionId = uint32_t;
using RuleId = uint32_t;

inline constexpr uint32_t kUnlimited = UINT32_MAX;

// An edge of a network, walked by what its expression matches.
struct NetworkEdge {
  uint32_t from = 0, to = 0;
  ExpressionId expression = 0;
};

struct Expression {
  enum class Kind {
    kBytes,       // these bytes, maybe none
    kCharacter,   // one character of a set, which is not empty
    kSequence,    // all parts, one behind the other
    kChoice,      // one of the parts, of which there is at least one
    kRepetition,  // part 0, `least` to `most` times
    kRule,        // what a rule matches
    kNetwork,     // any way from node 0 to node `nodes` - 1
  };
  Kind kind = Kind::kBytes;
  std::string bytes;
  CharacterSet characters;
  std::vector<ExpressionId> parts;
  uint32_t least = 0, most = 0;
  RuleId rule = 0;
  uint32_t nodes = 0;
  std::vector<NetworkEdge> edges;
  uint32_t depth = 0;  // of expressions inside it, but for those of rules; the pool fills it in
};

struct SourceRule {
  std::string name;  // as messages call it
  ExpressionId body = 0;
};

class SourceGrammar {
 public:
  ExpressionId bytes(std::string_view bytes);
  ExpressionId empty() { return bytes(""); }
  ExpressionId character(CharacterSet set);
  ExpressionId sequence(std::vector<ExpressionId> parts);
  ExpressionId choice(std::vector<ExpressionId> parts);
  ExpressionId repetition(ExpressionId part, uint32_t least, uint32_t most);
  ExpressionId optional(ExpressionId part) { return repetition(part, 0, 1); }
  ExpressionId rule(RuleId rule);
  ExpressionId network(uint32_t nodes, std::vector<NetworkEdge> edges);

  RuleId add_rule(std::string name);  // whose body is set later
  void set_body(RuleId rule, ExpressionId body) { rules_[rule].body = body; }
  RuleId add_rule(std::string name, ExpressionId body);

  const Expression& at(ExpressionId id) const { return expressions_[id]; }
  size_t size() const { return expressions_.size(); }
  const std::deque<SourceRule>& rules() const { return rules_; }

  RuleId root = 0;

 private:
  ExpressionId add(Expression expression);

  // References to their elements stay valid.
  std::deque<Expression> expressions_;
  std::deque<SourceRule> rules_;
};

}  // namespace bitnetc::grammar
