// Which texts a model may write: a context-free grammar over bytes, read from one of four notations
// (docs/grammars.md), and how far a text has come in it. What a grammar matches is always valid
// UTF-8. A Grammar is immutable: any thread may use one. A GrammarState is a value of one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "frontend/think_text.h"
#include "frontend/tool_calls.h"
#include "runtime/status.h"

namespace bitnetc {

namespace grammar {
class Automaton;
}  // namespace grammar

inline constexpr size_t kMostGrammarBytes = 64 << 10;  // of a source

class Grammar {
 public:
  using Ptr = std::shared_ptr<const Grammar>;

  // `think`: what a model thinks first may come before a text, or has to be ended there.

  // GBNF. Error: kInvalidArgument naming line and column; a rule that matches no text, or that can
  // begin with itself, by its name; kUnsupported beyond the limits of docs/grammars.md.
  static Result<Ptr> from_gbnf(std::string_view text, ThinkPlace think = ThinkPlace::kNone);
  // The JSON values that a schema accepts, or some of them (docs/grammars.md says which).
  // Error: as above, naming the place by a JSON pointer; kUnsupported for a keyword that is not
  // honoured.
  static Result<Ptr> from_json_schema(std::string_view json, ThinkPlace think = ThinkPlace::kNone);
  // Any JSON object.
  static Result<Ptr> json_object(ThinkPlace think = ThinkPlace::kNone);
  // The texts that a regular expression matches from end to end. Error: as from_gbnf().
  static Result<Ptr> from_regex(std::string_view pattern, ThinkPlace think = ThinkPlace::kNone);
  // Answers that may call tools. Error: as from_json_schema(), naming the tool.
  static Result<Ptr> from_tool_calls(const ToolCallRules& rules,
                                     ThinkPlace think = ThinkPlace::kNone);

  explicit Grammar(grammar::Automaton automaton);
  ~Grammar();
  const grammar::Automaton& automaton() const { return *automaton_; }
  int64_t states() const;

 private:
  std::unique_ptr<const grammar::Automaton> automaton_;
};

// A text so far. Copies go on apart from each other.
class GrammarState {
 public:
  explicit GrammarState(Grammar::Ptr grammar);
  GrammarState(const GrammarState& other);
  GrammarState& operator=(const GrammarState& other);
  GrammarState(GrammarState&&) noexcept;
  GrammarState& operator=(GrammarState&&) noexcept;
  ~GrammarState();

  // Whether some text of the grammar goes on with `bytes`. If not, nothing changes.
  bool accept(std::string_view bytes);
  bool may_end() const;   // whether the text so far is one of the grammar
  bool must_end() const;  // and nothing can follow it
  // The bytes that have to come next, whatever the text: at most `most`, none where it may end.
  std::string forced_bytes(size_t most = 256) const;

 private:
  friend class TokenMasks;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc
