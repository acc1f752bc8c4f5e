// Asks work in progress to stop. Set from any thread or from a signal handler; long work polls it
// and returns kCancelled. A null pointer is work that nobody can stop.
#pragma once

#include <atomic>

namespace bitnetc {

using CancelToken = std::atomic<bool>;
static_assert(CancelToken::is_always_lock_free, "set from a signal handler");

inline bool is_cancelled(const CancelToken* token) {
  return token != nullptr && token->load(std::memory_order_relaxed);
}

}  // namespace bitnetc
