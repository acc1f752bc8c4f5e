// The options that constrain the text a model writes (docs/grammars.md).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "frontend/grammar.h"
#include "runtime/status.h"
#include "runtime/token_filter.h"
#include "tools/bitnetc/command_line.h"
#include "tools/engine/engine.h"

namespace bitnetc {

struct GrammarOptions {
  std::string grammar_file, schema_file;
  std::optional<std::string> regex;
};

void add_grammar_options(Command& command, GrammarOptions& options);

// Reads and compiles what was asked for; null: nothing was. Needs no model.
Result<Grammar::Ptr> read_grammar(const GrammarOptions& options);
// A filter of the model's vocabulary; the text may end by one of `end_ids`.
Result<std::shared_ptr<const TokenFilter>> make_filter(const Grammar::Ptr& grammar,
                                                       const Engine& engine,
                                                       const std::vector<int32_t>& end_ids);

}  // namespace bitnetc
