#include "frontend/grammar/tag_texts.h"

namespace bitnetc::grammar {
namespace {

constexpr uint32_t kMostSpaces = 8;  // behind a block; more of them would be one more way to stall

// Node i: the last i characters are those of the tag, and no more of it are.
ExpressionId text_towards(SourceGrammar& grammar, std::string_view tag, bool arrives) {
  const auto length = static_cast<uint32_t>(tag.size());
  const auto first = CharacterSet::of(static_cast<uint8_t>(tag[0]));
  std::vector<NetworkEdge> edges;
  for (uint32_t node = 0; node < length; ++node) {
    const auto next = CharacterSet::of(static_cast<uint8_t>(tag[node]));
    CharacterSet others = CharacterSet::all().without(next);
    if (node > 0) {
      others = others.without(first);
      edges.push_back({node, 1, grammar.character(first)});
    }
    edges.push_back({node, 0, grammar.character(others)});
    if (node + 1 < length || arrives) edges.push_back({node, node + 1, grammar.character(next)});
    if (!arrives) edges.push_back({node, length, grammar.empty()});
  }
  return grammar.network(length + 1, std::move(edges));
}

}  // namespace

ExpressionId text_without(SourceGrammar& grammar, std::string_view tag) {
  return text_towards(grammar, tag, /*arrives=*/false);
}

ExpressionId text_up_to(SourceGrammar& grammar, std::string_view tag) {
  return text_towards(grammar, tag, /*arrives=*/true);
}

void put_think_block_before(SourceGrammar& grammar, ThinkPlace place) {
  if (place == ThinkPlace::kNone) return;
  CharacterSet spaces;
  for (const char each : {' ', '\t', '\r', '\n'}) spaces.add(CharacterSet::of(each));
  ExpressionId block =
      grammar.sequence({grammar.bytes(place == ThinkPlace::kMayBegin ? kThinkTag : ""),
                        text_up_to(grammar, kThinkEndTag),
                        grammar.repetition(grammar.character(std::move(spaces)), 0, kMostSpaces)});
  if (place == ThinkPlace::kMayBegin) block = grammar.optional(block);
  grammar.root =
      grammar.add_rule("the answer", grammar.sequence({block, grammar.rule(grammar.root)}));
}

}  // namespace bitnetc::grammar
