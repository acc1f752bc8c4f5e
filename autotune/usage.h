// What a machine is tuned for: of every 1000 tokens that pass through a matrix, how many are
// generated alone, generated in small batches, or part of a prompt. One layout has to serve them
// all.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "codegen/kernel_spec.h"

namespace bitnetc {

enum class Usage {
  kGeneration,  // long answers to short questions: the default
  kChat,        // prompts and answers of like length
  kPrefill,     // long documents, short answers
  kServer,      // several conversations at once
};
inline constexpr Usage kUsages[] = {Usage::kGeneration, Usage::kChat, Usage::kPrefill,
                                    Usage::kServer};
std::string_view usage_name(Usage usage);  // "generation", "chat", "prefill", "server"
std::optional<Usage> parse_usage(std::string_view name);

struct UsageShare {
  int m;         // of the kernel: 1..kMaxSmallM, or kAnyM
  double share;  // of all tokens; the shares of a usage add up to 1
};
std::vector<UsageShare> usage_shares(Usage usage);

// Tokens per call when kernels for any number of tokens are tuned.
inline constexpr int64_t kTunedPromptTokens = 128;
// Tokens per call when a kernel for `m` is tuned.
constexpr int64_t tuned_tokens(int m) {
  return m == kAnyM ? kTunedPromptTokens : m;
}

}  // namespace bitnetc
