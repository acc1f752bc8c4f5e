#include "autotune/usage.h"

#include <utility>

namespace bitnetc {
namespace {

constexpr std::pair<Usage, std::string_view> kNames[] = {{Usage::kGeneration, "generation"},
                                                         {Usage::kChat, "chat"},
                                                         {Usage::kPrefill, "prefill"},
                                                         {Usage::kServer, "server"}};

}  // namespace

std::string_view usage_name(Usage usage) {
  for (const auto& [each, name] : kNames)
    if (each == usage) return name;
  return "?";
}

std::optional<Usage> parse_usage(std::string_view name) {
  for (const auto& [usage, each] : kNames)
    if (each == name) return usage;
  return std::nullopt;
}

// Estimates, not measurements: they say what a user of that kind does, in round numbers. A
// generated token is alone. A prompt goes through in chunks; its last few tokens, and prompts of a
// few tokens, meet the kernels for 2 to 8. A server generates for several conversations in one
// call. One share stands for its neighbours: 2 for 2, 4 for 3 to 5, 8 for 6 to 8. All usages name
// the same numbers of tokens, so what was tuned for one answers for the others.
std::vector<UsageShare> usage_shares(Usage usage) {
  switch (usage) {
    // A question of 50 tokens, an answer of 150; now and then a prompt ends in a chunk of a few.
    case Usage::kGeneration: return {{1, 0.70}, {2, 0.02}, {4, 0.04}, {8, 0.04}, {kAnyM, 0.20}};
    // The new turn is about as long as the answer; turns are short, so more of them are small
    // chunks.
    case Usage::kChat: return {{1, 0.45}, {2, 0.02}, {4, 0.04}, {8, 0.06}, {kAnyM, 0.43}};
    // A document of 2000 tokens, an answer of 100.
    case Usage::kPrefill: return {{1, 0.05}, {2, 0.005}, {4, 0.005}, {8, 0.01}, {kAnyM, 0.93}};
    // Some two to eight conversations generate together, seldom one alone; prompts come in between.
    case Usage::kServer: return {{1, 0.10}, {2, 0.15}, {4, 0.30}, {8, 0.25}, {kAnyM, 0.20}};
  }
  return {};
}

}  // namespace bitnetc
