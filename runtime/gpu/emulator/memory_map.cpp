#include "runtime/gpu/emulator/memory_map.h"

#include <new>

#include "runtime/rounding.h"

namespace bitnetc::emulator {
namespace {

constexpr uint64_t kAlignment = 256, kGap = 4096;

}  // namespace

Result<uint64_t> MemoryMap::allocate(size_t bytes) {
  const auto refused = [&] {
    return make_error(StatusCode::kOutOfMemory,
                      "no memory for {} bytes on the emulated GPU: {} of {} bytes are taken", bytes,
                      used_bytes_, most_bytes_);
  };
  if (bytes > most_bytes_ - used_bytes_) return refused();
  try {
    Buffer<std::byte> block(bytes);
    const uint64_t address = next_;
    blocks_.emplace(address, std::move(block));
    next_ += round_up(static_cast<uint64_t>(bytes), kAlignment) + kGap;
    used_bytes_ += bytes;
    return address;
  } catch (const std::bad_alloc&) {
    return refused();
  }
}

void MemoryMap::free(uint64_t address) {
  const auto at = blocks_.find(address);
  BITNETC_CHECK(at != blocks_.end(), "no allocation at {:#x}", address);
  used_bytes_ -= at->second.size();
  freed_[address] = at->second.size();
  blocks_.erase(at);
  last_begin_ = 1;
  last_bytes_ = 0;
}

std::byte* MemoryMap::find_other(uint64_t address, uint64_t bytes) {
  auto at = blocks_.upper_bound(address);
  if (at == blocks_.begin()) return nullptr;
  --at;
  const uint64_t offset = address - at->first, length = at->second.size();
  if (offset > length || bytes > length - offset) return nullptr;
  last_begin_ = at->first;
  last_bytes_ = length;
  last_host_ = at->second.data();
  return last_host_ + offset;
}

std::string MemoryMap::describe(uint64_t address) const {
  const auto was_freed = [&]() -> bool {
    auto at = freed_.upper_bound(address);
    return at != freed_.begin() && address - (--at)->first < at->second;
  };
  if (was_freed()) return "in an allocation that was freed";
  const auto next = blocks_.upper_bound(address);
  if (next != blocks_.begin()) {
    const auto before = std::prev(next);
    const uint64_t end = before->first + before->second.size();
    if (address < end)
      return fmt::format("{} bytes before the end of an allocation of {} bytes", end - address,
                         before->second.size());
    if (address - end < kGap)
      return fmt::format("{} bytes behind the end of an allocation of {} bytes", address - end,
                         before->second.size());
  }
  if (next != blocks_.end() && next->first - address < kGap)
    return fmt::format("{} bytes before an allocation of {} bytes", next->first - address,
                       next->second.size());
  return "not near any allocation";
}

}  // namespace bitnetc::emulator
