// A .bnc file taken apart, changed and put together again with right checksums: what a hostile or
// broken writer could make, past the container's own defences.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "runtime/status.h"

namespace bitnetc::test {

struct BncParts {
  nlohmann::json description;
  std::vector<std::pair<std::string, std::vector<uint8_t>>> sections;  // name, bytes; in file order
};

// Throws on an error.
BncParts read_bnc_parts(const std::filesystem::path& path);
// Error: the writer's, for what cannot even be written (two sections of one name).
Status write_bnc_parts(const BncParts& parts, const std::filesystem::path& path);

// Makes one change drawn from `seed`: a value, a name, an element or a key of the description, or
// the bytes, size, name or presence of a section. Returns what it did, for messages.
std::string mutate(BncParts* parts, uint64_t seed);

}  // namespace bitnetc::test
