#include "frontend/gguf/splitting_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace bitnetc {
namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))";

constexpr std::string_view kLlama3Regexes[] = {
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kQwen2Regexes[] = {
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::string_view kGpt2Regexes[] = {kGpt2};
constexpr std::string_view kFalconRegexes[] = {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2,
                                               "[0-9][0-9][0-9]"};
constexpr std::string_view kFalconERegexes[] = {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9]"};
constexpr std::string_view kDefaultRegexes[] = {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)",
                                                "[0-9][0-9][0-9]"};

constexpr SplittingRule kRules[] = {
    {.name = kLlama3Rule, .regexes = kLlama3Regexes, .ignores_merges = true, .adds_bos = true},
    {.name = "llama3", .regexes = kLlama3Regexes, .ignores_merges = true, .adds_bos = true},
    {.name = "llama-v3", .regexes = kLlama3Regexes, .ignores_merges = true, .adds_bos = true},
    // Falcon3 was trained without a token in front of the text.
    {.name = "falcon3", .regexes = kLlama3Regexes, .ignores_merges = true},
    {.name = "falcon-h1", .regexes = kLlama3Regexes, .ignores_merges = true, .adds_bos = true},
    {.name = "falcon_e", .regexes = kFalconERegexes},
    {.name = "falcon", .regexes = kFalconRegexes},
    {.name = "qwen2", .regexes = kQwen2Regexes, .normalizes_nfc = true},
    {.name = "gpt-2", .regexes = kGpt2Regexes},
    {.name = kDefaultRule, .regexes = kDefaultRegexes},
};

}  // namespace

const SplittingRule* find_splitting_rule(std::string_view name) {
  const auto* found = std::ranges::find(kRules, name, &SplittingRule::name);
  return found == std::end(kRules) ? nullptr : found;
}

const SplittingRule* rule_with(std::span<const std::string> regexes, bool ignores_merges) {
  const auto* found = std::ranges::find_if(kRules, [&](const SplittingRule& rule) {
    return rule.ignores_merges == ignores_merges && std::ranges::equal(rule.regexes, regexes);
  });
  return found == std::end(kRules) ? nullptr : found;
}

std::string known_splitting_rules() {
  std::string text;
  for (const SplittingRule& rule : kRules)
    text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", rule.name);
  return text;
}

}  // namespace bitnetc
