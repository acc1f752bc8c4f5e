#include "runtime/amx.h"

#include "runtime/cpu/feature_probes.h"

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

namespace bitnetc {
namespace {

Status ask_system() {
#if defined(__x86_64__) && defined(__linux__)
  // Since Linux 5.16; the headers of older systems do not name them.
  constexpr int kArchRequestStatePermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;                        // the number of the state, as in XCR0
  if (syscall(SYS_arch_prctl, kArchRequestStatePermission, kTileData) != 0)
    return make_error(StatusCode::kUnsupported,
                      "AMX tiles: arch_prctl(ARCH_REQ_XCOMP_PERM, {}) answered: {}", kTileData,
                      std::strerror(errno));
  return check_tiles(tile_probe());
#else
  return {StatusCode::kUnsupported, "AMX tiles: only x86-64 Linux can be asked for them"};
#endif
}

}  // namespace

Status allow_amx_tiles() {
  static const Status answer = ask_system();
  return answer;
}

}  // namespace bitnetc
