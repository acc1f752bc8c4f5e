// Loads, stores, and copies to shared memory that go on beside the computation.
#include "runtime/gpu/emulator/access.h"

namespace bitnetc::emulator {
namespace {

int vector_length(const Parts& parts) {
  if (has_part(parts, "v2")) return 2;
  return has_part(parts, "v4") ? 4 : 1;
}

// Signed values become as wide as their register, which may be wider than the type.
uint64_t load_bits(const std::byte* from, const Instruction& i) {
  const int bytes = bytes_of(i.type);
  uint64_t value = 0;
  std::memcpy(&value, from, static_cast<size_t>(bytes));
  if (!is_signed(i.type)) return value;
  const int unused = 64 - 8 * bytes;
  const auto extended = static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused);
  return i.has_wide_result ? extended : static_cast<uint32_t>(extended);
}

void load(Warp& warp, const Instruction& i, Mask mask) {
  const int bytes = bytes_of(i.type), count = i.destination_count;
  const Access access(warp, i, mask, bytes * count, Access::Kind::kRead);
  if (!access.ok()) return;
  for (int k = 0; k < count; ++k) {
    uint64_t* const to = warp.destination(i, k);
    for (int lane = 0; lane < kLanes; ++lane)
      if (mask >> lane & 1) to[lane] = load_bits(access.at(lane) + k * bytes, i);
  }
}

void store(Warp& warp, const Instruction& i, Mask mask) {
  const int bytes = bytes_of(i.type), count = i.source_count - 1;
  const Access access(warp, i, mask, bytes * count, Access::Kind::kWrite);
  if (!access.ok()) return;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    for (int k = 0; k < count; ++k)
      std::memcpy(access.at(lane) + k * bytes, &warp.source(i, k + 1)[lane],
                  static_cast<size_t>(bytes));
  }
}

// ---- cp.async

// Does the copies of a group: only now can they be seen.
void finish_group(Warp& warp, const Instruction& i, std::vector<PendingCopy>& group) {
  SharedMemory& shared = warp.block().shared;
  for (const PendingCopy& copy : group) {
    const std::byte* const from = warp.launch().memory.find(copy.from, copy.bytes);
    const int total = copy.bytes + copy.zeros;
    if (from == nullptr && copy.bytes > 0)
      return warp.fail(i, 0, "a copy from memory that is not there any more");
    if (!shared.end_copy(copy.shared_offset, total, warp.index()))
      return warp.fail(i, 0,
                       fmt::format("a race: another warp used byte {} of shared memory while "
                                   "a copy to it was under way",
                                   copy.shared_offset));
    if (copy.bytes > 0) std::memcpy(shared.data() + copy.shared_offset, from, copy.bytes);
    std::memset(shared.data() + copy.shared_offset + copy.bytes, 0, copy.zeros);
  }
  group.clear();
}

// [shared], [global], bytes (, of which this many are read and the rest is zero).
void begin_copy(Warp& warp, const Instruction& i, Mask mask) {
  const auto total = static_cast<int>(warp.source(i, 2)[0]);
  if (total != 4 && total != 8 && total != 16)
    return warp.fail(i, 0, fmt::format("a copy of {} bytes, expected 4, 8 or 16", total));
  SharedMemory& shared = warp.block().shared;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const uint64_t to = warp.source(i, 0)[lane] + static_cast<uint64_t>(i.offset),
                   from = warp.source(i, 1)[lane];
    const int bytes = i.source_count > 3 ? static_cast<int>(warp.source(i, 3)[lane]) : total;
    if (bytes < 0 || bytes > total)
      return warp.fail(i, lane, fmt::format("{} of {} bytes of a copy", bytes, total));
    if (to % static_cast<uint64_t>(total) != 0 || from % static_cast<uint64_t>(total) != 0)
      return warp.fail(i, lane, fmt::format("a copy of {} bytes that are not aligned", total));
    if (to + static_cast<uint64_t>(total) > static_cast<uint64_t>(shared.bytes()))
      return warp.fail(i, lane, fmt::format("byte {} of {} of shared memory", to, shared.bytes()));
    if (warp.launch().memory.find(from, bytes) == nullptr)
      return warp.fail(i, lane,
                       fmt::format("reads {} bytes at {:#x}, {}", bytes, from,
                                   warp.launch().memory.describe(from)));
    if (!shared.begin_copy(static_cast<int64_t>(to), total, warp.index()))
      return warp.fail(i, lane,
                       fmt::format("a race: a copy to byte {} of shared memory, which another warp "
                                   "used since the last barrier or another copy writes",
                                   to));
    warp.copies().back().push_back({.shared_offset = static_cast<int64_t>(to),
                                    .from = from,
                                    .bytes = bytes,
                                    .zeros = total - bytes});
  }
}

bool is_converged(Warp& warp, const Instruction& i, Mask mask) {
  if (mask == warp.alive()) return true;
  warp.fail(i, std::countr_zero(warp.alive() & ~mask),
            "a group of copies that other threads of the warp do not close with this one");
  return false;
}

void close_group(Warp& warp, const Instruction& i, Mask mask) {
  if (is_converged(warp, i, mask)) warp.copies().emplace_back();
}

void wait_for_groups(Warp& warp, const Instruction& i, Mask mask) {
  if (!is_converged(warp, i, mask)) return;
  auto& groups = warp.copies();
  const bool all = i.source_count == 0;
  const size_t pending = all ? 0 : static_cast<size_t>(warp.source(i, 0)[0]);
  const size_t closed = groups.size() - 1;
  const size_t finished = closed > pending ? closed - pending : 0;
  for (size_t k = 0; k < finished; ++k) finish_group(warp, i, groups[k]);
  groups.erase(groups.begin(), groups.begin() + static_cast<ptrdiff_t>(finished));
  if (all) finish_group(warp, i, groups.back());
}

Result<Decoded> decode_async_copy(Instruction& instruction, const Parts& parts) {
  if (parts.size() < 3 || parts[1] != "async") return not_emulated();
  if (parts[2] == "commit_group" && parts.size() == 3 && instruction.source_count == 0) {
    instruction.handler = close_group;
  } else if (parts[2] == "wait_group" && parts.size() == 3 && instruction.source_count == 1) {
    instruction.handler = wait_for_groups;
  } else if (parts[2] == "wait_all" && parts.size() == 3 && instruction.source_count == 0) {
    instruction.handler = wait_for_groups;
  } else if ((parts[2] == "ca" || parts[2] == "cg") && parts.size() == 5 && parts[3] == "shared" &&
             parts[4] == "global" && instruction.source_count >= 3 &&
             instruction.source_count <= 4) {
    instruction.handler = begin_copy;
  } else {
    return not_emulated();
  }
  return Decoded::kYes;
}

}  // namespace

Space space_of_access(const Parts& parts) {
  if (has_part(parts, "global")) return Space::kGlobal;
  if (has_part(parts, "shared")) return Space::kShared;
  if (has_part(parts, "local")) return Space::kLocal;
  return has_part(parts, "param") ? Space::kParameter : Space::kGeneric;
}

Result<Decoded> decode_memory(Instruction& instruction, const Parts& parts) {
  if (parts[0] == "cp") return decode_async_copy(instruction, parts);
  const bool loads = parts[0] == "ld";
  if (!loads && parts[0] != "st") return Decoded::kNotOfThisGroup;
  if (!only_has(parts, {"global",  "shared",  "local",   "param", "nc",  "v2", "v4",   "ca",
                        "cg",      "cs",      "lu",      "cv",    "wb",  "wt", "weak", "volatile",
                        "relaxed", "acquire", "release", "gpu",   "cta", "sys"}) ||
      instruction.type == PtxType::kNone || instruction.type == PtxType::kPred)
    return not_emulated();
  const int values = loads ? instruction.destination_count : instruction.source_count - 1;
  const int addresses = loads ? instruction.source_count : 1;
  if (values != vector_length(parts) || addresses != 1) return not_emulated();
  instruction.space = space_of_access(parts);
  instruction.handler = loads ? load : store;
  // Whoever looks whether others have written something must let them.
  if (has_part(parts, "acquire") || has_part(parts, "volatile")) instruction.flow = Flow::kYield;
  return Decoded::kYes;
}

}  // namespace bitnetc::emulator
