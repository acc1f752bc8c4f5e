// Accesses of a warp to memory: where each lane's bytes are on the host, whether it may touch them,
// and what the request costs.
#pragma once

#include <array>

#include "runtime/gpu/emulator/instructions.h"

namespace bitnetc::emulator {

// The bytes that the lanes of `mask` read or write, all of one length.
class Access {
 public:
  enum class Kind { kRead, kWrite, kAtomic };

  // `bytes` of each lane, at the address in source 0 and the instruction's offset. A fault is
  // entered into the launch; then ok() is false.
  Access(Warp& warp, const Instruction& instruction, Mask mask, int bytes, Kind kind);

  bool ok() const { return ok_; }
  std::byte* at(int lane) const { return at_[static_cast<size_t>(lane)]; }

 private:
  void resolve(int lane, Space space, uint64_t address);
  void resolve_shared(int lane, uint64_t offset);
  void fail(int lane, const std::string& what);
  void count_global(const std::array<uint64_t, kLanes>& addresses);
  void count_shared(const std::array<uint64_t, kLanes>& offsets);

  Warp& warp_;
  const Instruction& instruction_;
  const int bytes_;
  const Kind kind_;
  Mask shared_ = 0, global_ = 0;  // lanes whose bytes lie there
  std::array<std::byte*, kLanes> at_{};
  bool ok_ = true;
};

}  // namespace bitnetc::emulator
