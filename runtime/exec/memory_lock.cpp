#include "runtime/memory_lock.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace bitnetc {
namespace {

std::string limit_text() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return "this process has no limit";
  return fmt::format("this process may lock {:.1f} MB", static_cast<double>(limit.rlim_cur) / 1e6);
}

}  // namespace

Status lock_memory(std::span<const uint8_t> bytes, std::string_view what) {
  if (bytes.empty() || ::mlock(bytes.data(), bytes.size()) == 0) return {};
  const int error = errno;
  return make_error(StatusCode::kOutOfMemory,
                    "{} ({:.1f} MB) cannot be locked in memory: {}; {} (RLIMIT_MEMLOCK; to raise "
                    "it: ulimit -l unlimited, or LimitMEMLOCK=infinity in a systemd unit)",
                    what, static_cast<double>(bytes.size()) / 1e6, std::strerror(error),
                    limit_text());
}

// Fails for nothing that was locked.
void unlock_memory(std::span<const uint8_t> bytes) {
  if (!bytes.empty()) ::munlock(bytes.data(), bytes.size());
}

}  // namespace bitnetc
