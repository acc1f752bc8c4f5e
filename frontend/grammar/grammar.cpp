#include "frontend/grammar.h"

#include <algorithm>
#include <bitset>

#include "frontend/grammar/automaton.h"
#include "frontend/grammar/gbnf_parser.h"
#include "frontend/grammar/json_schema.h"
#include "frontend/grammar/regex_parser.h"
#include "frontend/grammar/state.h"
#include "frontend/grammar/tag_texts.h"
#include "frontend/grammar/tool_call_grammar.h"

namespace bitnetc {
namespace {

using grammar::Automaton;
using grammar::Head;

// A compiled source, whatever it was written in.
Result<Grammar::Ptr> compiled(grammar::SourceGrammar source, ThinkPlace think) {
  grammar::put_think_block_before(source, think);
  BITNETC_ASSIGN_OR_RETURN(Automaton automaton, grammar::compile_grammar(std::move(source)));
  return std::make_shared<const Grammar>(std::move(automaton));
}

constexpr size_t kMostToolBytes = 8 * kMostGrammarBytes;  // of the schemas of all tools

Status check_source_length(std::string_view text) {
  if (text.size() <= kMostGrammarBytes) return {};
  return make_error(StatusCode::kUnsupported, "a source of {} bytes: expected at most {}",
                    text.size(), kMostGrammarBytes);
}

}  // namespace

Grammar::Grammar(Automaton automaton)
    : automaton_(std::make_unique<const Automaton>(std::move(automaton))) {}
Grammar::~Grammar() = default;

int64_t Grammar::states() const {
  return static_cast<int64_t>(automaton_->states());
}

Result<Grammar::Ptr> Grammar::from_gbnf(std::string_view text, ThinkPlace think) {
  BITNETC_RETURN_IF_ERROR(check_source_length(text));
  BITNETC_ASSIGN_OR_RETURN(grammar::SourceGrammar source, grammar::parse_gbnf(text));
  return compiled(std::move(source), think);
}

Result<Grammar::Ptr> Grammar::from_json_schema(std::string_view json, ThinkPlace think) {
  BITNETC_RETURN_IF_ERROR(check_source_length(json));
  BITNETC_ASSIGN_OR_RETURN(grammar::SourceGrammar source, grammar::parse_json_schema(json));
  return compiled(std::move(source), think);
}

Result<Grammar::Ptr> Grammar::json_object(ThinkPlace think) {
  return compiled(grammar::any_json_object(), think);
}

Result<Grammar::Ptr> Grammar::from_regex(std::string_view pattern, ThinkPlace think) {
  BITNETC_RETURN_IF_ERROR(check_source_length(pattern));
  grammar::SourceGrammar source;
  BITNETC_ASSIGN_OR_RETURN(const grammar::ExpressionId body,
                           grammar::parse_regex(pattern, grammar::RegexUse::kWhole, source));
  source.root = source.add_rule("the regular expression", body);
  return compiled(std::move(source), think);
}

Result<Grammar::Ptr> Grammar::from_tool_calls(const ToolCallRules& rules, ThinkPlace think) {
  BITNETC_RETURN_IF_ERROR(check_source_length(rules.text_schema));
  size_t bytes = 0;
  for (const ChatTool& tool : rules.tools) {
    BITNETC_RETURN_IF_ERROR(check_source_length(tool.parameters));
    bytes += tool.parameters.size();
  }
  if (bytes > kMostToolBytes)
    return make_error(StatusCode::kUnsupported,
                      "parameters of {} bytes of all tools together: expected at most {}", bytes,
                      kMostToolBytes);
  BITNETC_ASSIGN_OR_RETURN(grammar::SourceGrammar source, grammar::tool_call_grammar(rules));
  return compiled(std::move(source), think);
}

GrammarState::GrammarState(Grammar::Ptr grammar)
    : impl_(std::make_unique<Impl>(std::move(grammar))) {}
GrammarState::GrammarState(const GrammarState& other)
    : impl_(std::make_unique<Impl>(*other.impl_)) {}
GrammarState& GrammarState::operator=(const GrammarState& other) {
  if (this != &other) *impl_ = *other.impl_;
  return *this;
}
GrammarState::GrammarState(GrammarState&&) noexcept = default;
GrammarState& GrammarState::operator=(GrammarState&&) noexcept = default;
GrammarState::~GrammarState() = default;

bool GrammarState::accept(std::string_view bytes) {
  grammar::Recognizer& recognizer = impl_->recognizer;
  const grammar::Recognizer::Mark before = recognizer.mark();
  std::vector<Head> heads = impl_->heads;
  for (const char byte : bytes) {
    const size_t count = heads.size();
    recognizer.step(0, count, static_cast<uint8_t>(byte), heads);
    heads.erase(heads.begin(), heads.begin() + static_cast<ptrdiff_t>(count));
    if (heads.empty()) {
      recognizer.go_back(before);
      return false;
    }
  }
  recognizer.compact(heads);
  impl_->heads = std::move(heads);
  return true;
}

bool GrammarState::may_end() const {
  const Automaton& automaton = impl_->grammar->automaton();
  return std::ranges::any_of(impl_->heads, [&](const Head& head) {
    return head.frame == grammar::kRootFrame && automaton.accepts(head.state);
  });
}

bool GrammarState::must_end() const {
  const Automaton& automaton = impl_->grammar->automaton();
  return std::ranges::all_of(impl_->heads,
                             [&](const Head& head) { return automaton.only_accepts(head.state); });
}

std::string GrammarState::forced_bytes(size_t most) const {
  const Automaton& automaton = impl_->grammar->automaton();
  GrammarState next(*this);
  std::string forced;
  while (forced.size() < most && !next.may_end()) {
    std::bitset<256> bytes;
    for (const Head& head : next.impl_->heads) {
      for (const grammar::ByteEdge& edge : automaton.byte_edges(head.state))
        for (int byte = edge.bytes.first; byte <= edge.bytes.last; ++byte)
          bytes.set(static_cast<size_t>(byte));
      for (const grammar::CallEdge& edge : automaton.call_edges(head.state))
        bytes |= automaton.rule(edge.rule).first_bytes;
    }
    if (bytes.count() != 1) break;
    forced.push_back(static_cast<char>(bytes._Find_first()));
    next.accept(std::string_view(forced).substr(forced.size() - 1));
  }
  return forced;
}

}  // namespace bitnetc
