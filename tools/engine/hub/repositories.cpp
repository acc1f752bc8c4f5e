#include "tools/engine/hub/repositories.h"

#include <strings.h>

#include <algorithm>

#include "runtime/printable.h"

namespace bitnetc {
namespace {

constexpr KnownRepository kRepositories[] = {
    {"2b-4t", "microsoft/bitnet-b1.58-2B-4T"},
    {"2b-4t-bf16", "microsoft/bitnet-b1.58-2B-4T-bf16"},
    {"2b-4t-gguf", "microsoft/bitnet-b1.58-2B-4T-gguf"},
    {"large", "1bitLLM/bitnet_b1_58-large"},
    {"xl", "1bitLLM/bitnet_b1_58-xl"},
    {"3b", "1bitLLM/bitnet_b1_58-3B"},
    {"llama3-8b", "HF1BitLLM/Llama3-8B-1.58-100B-tokens"},
    {"falcon3-1b-instruct", "tiiuae/Falcon3-1B-Instruct-1.58bit"},
    {"falcon3-3b", "tiiuae/Falcon3-3B-Base-1.58bit"},
    {"falcon3-3b-instruct", "tiiuae/Falcon3-3B-Instruct-1.58bit"},
    {"falcon3-7b", "tiiuae/Falcon3-7B-Base-1.58bit"},
    {"falcon3-7b-instruct", "tiiuae/Falcon3-7B-Instruct-1.58bit"},
    {"falcon3-10b", "tiiuae/Falcon3-10B-Base-1.58bit"},
    {"falcon3-10b-instruct", "tiiuae/Falcon3-10B-Instruct-1.58bit"},
    {"falcon-e-1b", "tiiuae/Falcon-E-1B-Base"},
    {"falcon-e-1b-instruct", "tiiuae/Falcon-E-1B-Instruct"},
    {"falcon-e-3b", "tiiuae/Falcon-E-3B-Base"},
    {"falcon-e-3b-instruct", "tiiuae/Falcon-E-3B-Instruct"},
    {"embedding-0.6b", "microsoft/bitnet-embedding-0.6b"},
    {"embedding-270m", "microsoft/bitnet-embedding-270m"},
};

bool is_equal_in_any_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// What a hub allows in an owner's or a repository's name.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 96 && text != "." && text != ".." &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

}  // namespace

std::span<const KnownRepository> known_repositories() {
  return kRepositories;
}

Result<std::string> find_repository(std::string_view name) {
  for (const KnownRepository& known : kRepositories)
    if (is_equal_in_any_case(known.short_name, name)) return std::string(known.repository);
  const size_t slash = name.find('/');
  if (slash != name.npos && is_name(name.substr(0, slash)) && is_name(name.substr(slash + 1)))
    return std::string(name);
  std::string names;
  for (const KnownRepository& known : kRepositories)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.short_name);
  return make_error(
      StatusCode::kInvalidArgument,
      "'{}': expected a repository such as microsoft/bitnet-b1.58-2B-4T, or one of {}",
      printable(name, 100), names);
}

}  // namespace bitnetc
