// The values of tokenizer.ggml.pre: how a byte-level tokenizer cuts text before it merges.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bitnetc {

struct SplittingRule {
  std::string_view name;
  std::span<const std::string_view> regexes;  // applied one after another, to every piece so far
  bool ignores_merges = false;                // a piece that is itself a token is taken whole
  bool adds_bos = false;                      // where the file has no add_bos_token
  bool normalizes_nfc = false;
};

inline constexpr std::string_view kLlama3Rule = "llama-bpe";
inline constexpr std::string_view kDefaultRule = "default";

const SplittingRule* find_splitting_rule(std::string_view name);  // null when unknown
// The first rule of exactly these regexes. Null when there is none.
const SplittingRule* rule_with(std::span<const std::string> regexes, bool ignores_merges);
std::string known_splitting_rules();

}  // namespace bitnetc
