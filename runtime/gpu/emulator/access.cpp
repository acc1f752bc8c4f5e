#include "runtime/gpu/emulator/access.h"

#include "runtime/rounding.h"

namespace bitnetc::emulator {
namespace {

constexpr uint64_t kSectorBytes = 32, kBankBytes = 4, kBanks = 32;

}  // namespace

Access::Access(Warp& warp, const Instruction& instruction, Mask mask, int bytes, Kind kind)
    : warp_(warp), instruction_(instruction), bytes_(bytes), kind_(kind) {
  const uint64_t* const base = warp.source(instruction, 0);
  std::array<uint64_t, kLanes> addresses{};
  for (int lane = 0; lane < kLanes && ok_; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const uint64_t address = base[lane] + static_cast<uint64_t>(instruction.offset);
    addresses[static_cast<size_t>(lane)] = address;
    if (address % static_cast<uint64_t>(bytes) == 0)
      resolve(lane, instruction.space, address);
    else
      fail(lane, fmt::format("address {:#x} is not a multiple of {}", address, bytes));
  }
  if (!ok_) return;
  if (global_ != 0) count_global(addresses);
  if (shared_ != 0) count_shared(addresses);
}

void Access::fail(int lane, const std::string& what) {
  ok_ = false;
  warp_.fail(instruction_, lane, what);
}

void Access::resolve(int lane, Space space, uint64_t address) {
  const auto length = static_cast<uint64_t>(bytes_);
  if (space == Space::kGeneric) {
    if (is_in_window(address, kSharedWindow)) return resolve_shared(lane, address - kSharedWindow);
    if (is_in_window(address, kLocalWindow)) {
      space = Space::kLocal;
      address -= kLocalWindow;
    }
  }
  if (space == Space::kShared) return resolve_shared(lane, address);
  const auto& request = warp_.launch().request;
  if (space == Space::kParameter) {
    if (address + length > request.parameter.size() || kind_ != Kind::kRead)
      return fail(lane, fmt::format("byte {} of a parameter of {}", address + length,
                                    request.parameter.size()));
    at_[static_cast<size_t>(lane)] =
        const_cast<std::byte*>(request.parameter.data()) + address;  // it is only read
    return;
  }
  if (space == Space::kLocal) {
    const auto available = static_cast<uint64_t>(request.function.local_bytes);
    if (address > available || length > available - address)
      return fail(lane, fmt::format("byte {} of {} of local memory", address, available));
    at_[static_cast<size_t>(lane)] = warp_.local(lane) + address;
    return;
  }
  std::byte* const host = warp_.launch().memory.find(address, length);
  if (host == nullptr)
    return fail(lane,
                fmt::format("{} {} bytes at {:#x}, {}", kind_ == Kind::kRead ? "reads" : "writes",
                            bytes_, address, warp_.launch().memory.describe(address)));
  global_ |= Mask{1} << lane;
  at_[static_cast<size_t>(lane)] = host;
}

void Access::resolve_shared(int lane, uint64_t offset) {
  SharedMemory& shared = warp_.block().shared;
  const auto available = static_cast<uint64_t>(shared.bytes());
  const auto length = static_cast<uint64_t>(bytes_);
  if (offset > available || length > available - offset)
    return fail(lane, fmt::format("byte {} of {} of shared memory", offset, available));
  const auto first = static_cast<int64_t>(offset);
  const bool may = kind_ == Kind::kAtomic ||
                   (kind_ == Kind::kRead ? shared.may_read(first, bytes_, warp_.index())
                                         : shared.may_write(first, bytes_, warp_.index()));
  if (!may)
    return fail(lane, fmt::format("a race: another warp {} byte {} of shared memory since the last "
                                  "barrier",
                                  kind_ == Kind::kRead ? "wrote" : "used", offset));
  shared_ |= Mask{1} << lane;
  at_[static_cast<size_t>(lane)] = shared.data() + offset;
}

void Access::count_global(const std::array<uint64_t, kLanes>& addresses) {
  std::array<uint64_t, 2 * kLanes> sectors;  // 16 bytes touch at most two, aligned ones one
  size_t count = 0;
  bool ascends = true;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((global_ >> lane & 1) == 0) continue;
    const uint64_t first = addresses[static_cast<size_t>(lane)] / kSectorBytes;
    if (count > 0 && sectors[count - 1] == first) continue;
    ascends &= count == 0 || sectors[count - 1] < first;
    sectors[count++] = first;
  }
  if (!ascends) {
    const auto end = sectors.begin() + static_cast<ptrdiff_t>(count);
    std::sort(sectors.begin(), end);
    count = static_cast<size_t>(std::unique(sectors.begin(), end) - sectors.begin());
  }
  LaunchMetrics& metrics = warp_.launch().metrics;
  ++metrics.global_requests;
  metrics.global_bytes += int64_t{std::popcount(global_)} * bytes_;
  metrics.global_sectors += static_cast<int64_t>(count);
}

// A pass brings one word of each bank, to as many lanes as want it.
void Access::count_shared(const std::array<uint64_t, kLanes>& offsets) {
  std::array<uint64_t, 4 * kLanes> words;
  size_t count = 0;
  const uint64_t each = std::max<uint64_t>(static_cast<uint64_t>(bytes_) / kBankBytes, 1);
  bool ascends = true;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((shared_ >> lane & 1) == 0) continue;
    const uint64_t first = offsets[static_cast<size_t>(lane)] / kBankBytes;
    if (count > 0 && words[count - 1] == first + each - 1) continue;
    ascends &= count == 0 || words[count - 1] < first;
    for (uint64_t word = first; word < first + each; ++word) words[count++] = word;
  }
  if (!ascends) {
    const auto end = words.begin() + static_cast<ptrdiff_t>(count);
    std::sort(words.begin(), end);
    count = static_cast<size_t>(std::unique(words.begin(), end) - words.begin());
  }
  std::array<int64_t, kBanks> of_bank{};
  for (size_t i = 0; i < count; ++i) ++of_bank[words[i] % kBanks];
  LaunchMetrics& metrics = warp_.launch().metrics;
  ++metrics.shared_requests;
  metrics.shared_passes += *std::ranges::max_element(of_bank);
  metrics.shared_least_passes += static_cast<int64_t>(ceil_div(count, size_t{kBanks}));
}

}  // namespace bitnetc::emulator
