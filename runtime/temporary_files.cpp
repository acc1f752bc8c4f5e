#include "runtime/temporary_files.h"

#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstring>

namespace bitnetc {
namespace {

enum State : int { kFree, kBeingWritten, kHeld };

struct Slot {
  std::atomic<int> state{kFree};
  char path[PATH_MAX];
};

constexpr int kSlots = 32;
Slot g_slots[kSlots];
static_assert(std::atomic<int>::is_always_lock_free, "read from a signal handler");

}  // namespace

TemporaryFileName::TemporaryFileName(const std::string& path) {
  if (path.size() >= PATH_MAX) return;
  for (int i = 0; i < kSlots; ++i) {
    int free = kFree;
    if (!g_slots[i].state.compare_exchange_strong(free, kBeingWritten)) continue;
    std::memcpy(g_slots[i].path, path.c_str(), path.size() + 1);
    g_slots[i].state.store(kHeld);
    slot_ = i;
    return;
  }
}

TemporaryFileName::~TemporaryFileName() {
  if (slot_ >= 0) g_slots[slot_].state.store(kFree);
}

void remove_temporary_files() noexcept {
  for (Slot& slot : g_slots)
    if (slot.state.load() == kHeld) ::unlink(slot.path);
}

}  // namespace bitnetc
