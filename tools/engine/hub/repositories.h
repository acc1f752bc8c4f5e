// The published BitNet models by short names, and what a repository of a hub is called.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

struct KnownRepository {
  std::string_view short_name;  // "2b-4t"
  std::string_view repository;  // "microsoft/bitnet-b1.58-2B-4T"
};
std::span<const KnownRepository> known_repositories();

// "owner/name" of a short name (in any case) or of such a name itself.
// Error: kInvalidArgument naming the short names.
Result<std::string> find_repository(std::string_view name);

}  // namespace bitnetc
