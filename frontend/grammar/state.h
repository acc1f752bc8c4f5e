// What a GrammarState holds.
#pragma once

#include "frontend/grammar.h"
#include "frontend/grammar/recognizer.h"

namespace bitnetc {

struct GrammarState::Impl {
  explicit Impl(Grammar::Ptr its_grammar)
      : grammar(std::move(its_grammar)), recognizer(grammar->automaton()) {
    heads.push_back(
        {grammar->automaton().rule(grammar->automaton().root()).start, grammar::kRootFrame});
  }

  Grammar::Ptr grammar;
  grammar::Recognizer recognizer;
  std::vector<grammar::Head> heads;  // compacted; never none
};

}  // namespace bitnetc
