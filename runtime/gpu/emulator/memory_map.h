// The memory of an emulated GPU: allocations at addresses that mean nothing to the host, none of
// them used twice, with room between them that belongs to nobody.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "runtime/buffer.h"
#include "runtime/status.h"

namespace bitnetc::emulator {

// Not thread-safe.
class MemoryMap {
 public:
  explicit MemoryMap(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Zero-filled; the address is a multiple of 256. Error: kOutOfMemory.
  Result<uint64_t> allocate(size_t bytes);
  void free(uint64_t address);

  // Where the host has [address, address + bytes); null: not inside of one allocation.
  std::byte* find(uint64_t address, uint64_t bytes) {
    if (address - last_begin_ <= last_bytes_ && bytes <= last_bytes_ - (address - last_begin_))
      return last_host_ + (address - last_begin_);
    return find_other(address, bytes);
  }
  // "112 bytes behind the end of an allocation of 400 bytes"
  std::string describe(uint64_t address) const;
  size_t used_bytes() const { return used_bytes_; }

 private:
  std::byte* find_other(uint64_t address, uint64_t bytes);

  const size_t most_bytes_;
  size_t used_bytes_ = 0;
  uint64_t next_ = uint64_t{1} << 60;  // no address of any host
  std::map<uint64_t, Buffer<std::byte>> blocks_;
  std::map<uint64_t, size_t> freed_;  // lengths of what was there
  // The allocation that was found last.
  uint64_t last_begin_ = 1, last_bytes_ = 0;
  std::byte* last_host_ = nullptr;
};

}  // namespace bitnetc::emulator
