#include "tools/bitnetc/grammar_options.h"

#include "frontend/grammar_filter.h"
#include "runtime/printable.h"
#include "tools/bitnetc/text_input.h"

namespace bitnetc {
namespace {

Result<Grammar::Ptr> read_grammar_file(const std::string& path,
                                       Result<Grammar::Ptr> (*read)(std::string_view, ThinkPlace)) {
  BITNETC_ASSIGN_OR_RETURN(const std::string source, read_text(path));
  auto grammar = read(source, ThinkPlace::kNone);
  if (!grammar.ok()) return grammar.status().with_context(printable_path(path));
  return grammar;
}

}  // namespace

void add_grammar_options(Command& command, GrammarOptions& options) {
  command.text("--grammar", options.grammar_file, "FILE",
               "Write only what this grammar in GBNF allows");
  command.text("--json-schema", options.schema_file, "FILE",
               "Write only JSON that is valid for this schema");
  command.maybe_empty_text("--regex", options.regex, "TEXT",
                           "Write only a text that this regular expression matches");
}

Result<Grammar::Ptr> read_grammar(const GrammarOptions& options) {
  const int count =
      !options.grammar_file.empty() + !options.schema_file.empty() + options.regex.has_value();
  if (count > 1)
    return Status(StatusCode::kInvalidArgument,
                  "expected only one of --grammar, --json-schema and --regex");
  if (!options.grammar_file.empty())
    return read_grammar_file(options.grammar_file, Grammar::from_gbnf);
  if (!options.schema_file.empty())
    return read_grammar_file(options.schema_file, Grammar::from_json_schema);
  if (!options.regex) return Grammar::Ptr();
  auto grammar = Grammar::from_regex(*options.regex);
  if (!grammar.ok()) return grammar.status().with_context("--regex");
  return grammar;
}

Result<std::shared_ptr<const TokenFilter>> make_filter(const Grammar::Ptr& grammar,
                                                       const Engine& engine,
                                                       const std::vector<int32_t>& end_ids) {
  if (grammar == nullptr) return std::shared_ptr<const TokenFilter>();
  BITNETC_ASSIGN_OR_RETURN(TokenTrie::Ptr trie, TokenTrie::create(*engine.tokenizer));
  return std::shared_ptr<const TokenFilter>(std::make_shared<const GrammarFilter>(
      std::make_shared<TokenMasks>(grammar, std::move(trie), end_ids)));
}

}  // namespace bitnetc
