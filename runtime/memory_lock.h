// Memory that is never paged out.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

// Brings every page that `bytes` touches into memory and keeps it there, until unlock_memory(),
// unmapping, or the end of the process. `what`: for the message, "the model's weights".
// Error: kOutOfMemory naming the limit of this process and how to raise it.
Status lock_memory(std::span<const uint8_t> bytes, std::string_view what);
void unlock_memory(std::span<const uint8_t> bytes);

}  // namespace bitnetc
