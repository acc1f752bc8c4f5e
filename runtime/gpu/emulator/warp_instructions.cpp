// What the lanes of a warp do together: shuffles, votes, reductions, matrix products.
#include <array>

#include "runtime/gpu/emulator/access.h"

namespace bitnetc::emulator {
namespace {

// Whether the lanes that a member mask names are those that are here.
bool are_together(Warp& warp, const Instruction& i, Mask mask, uint64_t members) {
  const Mask expected = static_cast<Mask>(members) & warp.alive();
  if (expected == mask) return true;
  const Mask missing = expected & ~mask;
  warp.fail(i, std::countr_zero(missing != 0 ? missing : mask),
            missing != 0 ? "a thread of the member mask is not here"
                         : "a thread that the member mask does not name");
  return false;
}

// ---- shuffles

enum class Shuffle : uint32_t { kUp, kDown, kButterfly, kIndex };

// The source lane, and whether it is in range (section "shfl.sync" of the PTX manual).
std::pair<int, bool> shuffled_lane(Shuffle kind, int lane, int b, uint32_t c) {
  const int segments = static_cast<int>(c >> 8 & 0x1F), clamp = static_cast<int>(c & 0x1F);
  const int least = lane & segments, most = least | (clamp & ~segments);
  switch (kind) {
    case Shuffle::kUp: return {lane - b, lane - b >= most};
    case Shuffle::kDown: return {lane + b, lane + b <= most};
    case Shuffle::kButterfly: return {lane ^ b, (lane ^ b) <= most};
    case Shuffle::kIndex: {
      const int from = least | (b & ~segments);
      return {from, from <= most};
    }
  }
  return {lane, false};
}

void shuffle(Warp& warp, const Instruction& i, Mask mask) {
  uint64_t values[kLanes], found[kLanes] = {}, in_range[kLanes] = {};
  std::memcpy(values, warp.source(i, 0), sizeof values);
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    if (!are_together(warp, i, mask, warp.source(i, 3)[lane])) return;
    auto [from, is_there] = shuffled_lane(static_cast<Shuffle>(i.detail), lane,
                                          static_cast<int>(warp.source(i, 1)[lane] & 0x1F),
                                          static_cast<uint32_t>(warp.source(i, 2)[lane]));
    if (!is_there) from = lane;
    if ((mask >> from & 1) == 0)
      return warp.fail(i, lane, fmt::format("reads lane {}, which is not here", from));
    found[lane] = values[from];
    in_range[lane] = is_there;
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    warp.destination(i, 0)[lane] = found[lane];
    if (i.destination_count > 1) warp.destination(i, 1)[lane] = in_range[lane];
  }
}

// ---- votes and reductions

enum class Vote : uint32_t { kBallot, kAny, kAll };

void vote(Warp& warp, const Instruction& i, Mask mask) {
  if (!are_together(warp, i, mask, warp.source(i, 1)[std::countr_zero(mask)])) return;
  Mask yes = 0;
  for (int lane = 0; lane < kLanes; ++lane)
    yes |= static_cast<Mask>(warp.source(i, 0)[lane] & 1) << lane;
  yes &= mask;
  const auto kind = static_cast<Vote>(i.detail);
  const uint64_t result = kind == Vote::kBallot ? yes : kind == Vote::kAny ? yes != 0 : yes == mask;
  each_lane(warp, i, mask, [=](int) { return result; });
}

void active_mask(Warp& warp, const Instruction& i, Mask mask) {
  each_lane(warp, i, mask, [=](int) { return uint64_t{mask}; });
}

template <typename T, auto kCombine>
void reduce(Warp& warp, const Instruction& i, Mask mask) {
  const int first = std::countr_zero(mask);
  if (!are_together(warp, i, mask, warp.source(i, 1)[first])) return;
  T result = value_of<T>(warp.source(i, 0)[first]);
  for (int lane = first + 1; lane < kLanes; ++lane)
    if (mask >> lane & 1) result = kCombine(result, value_of<T>(warp.source(i, 0)[lane]));
  each_lane(warp, i, mask, [=](int) { return bits_of(result); });
}

template <typename T>
Handler reduction(const Parts& parts) {
  if (has_part(parts, "add"))
    return reduce<T, [](T a, T b) {
      return static_cast<T>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
    }>;
  if (has_part(parts, "min")) return reduce<T, [](T a, T b) { return std::min(a, b); }>;
  if (has_part(parts, "max")) return reduce<T, [](T a, T b) { return std::max(a, b); }>;
  if (has_part(parts, "and")) return reduce<T, [](T a, T b) { return T(a & b); }>;
  if (has_part(parts, "or")) return reduce<T, [](T a, T b) { return T(a | b); }>;
  if (has_part(parts, "xor")) return reduce<T, [](T a, T b) { return T(a ^ b); }>;
  return nullptr;
}

// ---- matrices

bool is_whole(Warp& warp, const Instruction& i, Mask mask) {
  if (mask == kAllLanes) return true;
  warp.fail(i, std::countr_zero(~mask), "not all threads of the warp are here");
  return false;
}

// Rows of 16 bytes at the lanes' addresses: matrix k of 8 x 8 halves is at lanes 8k to 8k + 7.
// `detail`: 1 transposed.
void load_matrices(Warp& warp, const Instruction& i, Mask mask) {
  if (!is_whole(warp, i, mask)) return;
  const int matrices = i.destination_count;
  const Mask readers = matrices == 4 ? kAllLanes : (Mask{1} << (8 * matrices)) - 1;
  const Access rows(warp, i, readers, 16, Access::Kind::kRead);
  if (!rows.ok()) return;
  const auto half = [&](int matrix, int row, int column) {
    uint16_t value;
    std::memcpy(&value, rows.at(8 * matrix + row) + 2 * column, sizeof value);
    return uint64_t{value};
  };
  for (int k = 0; k < matrices; ++k) {
    uint64_t* const to = warp.destination(i, k);
    for (int lane = 0; lane < kLanes; ++lane) {
      const int a = lane / 4, b = lane % 4 * 2;
      to[lane] = i.detail != 0 ? half(k, b, a) | half(k, b + 1, a) << 16
                               : half(k, a, b) | half(k, a, b + 1) << 16;
    }
  }
}

// Bytes of a register as int32.
template <typename T>
void unpack(uint64_t bits, int16_t* to) {
  for (int k = 0; k < 4; ++k) to[k] = value_of<T>(bits >> (8 * k));
}

// D[rows][8] = A[rows][columns] B[columns][8] + C, where lane 4g + q holds of A and B the bytes
// 4q .. 4q + 3 of row (column) g, 16 columns to a register, and of C and D columns 2q and 2q + 1.
template <typename A, typename B, int kRows, int kColumns>
void multiply_matrices(Warp& warp, const Instruction& i, Mask mask) {
  if (!is_whole(warp, i, mask)) return;
  constexpr int kRowBlocks = kRows / 8, kColumnBlocks = kColumns / 16;
  constexpr int kOfA = kRowBlocks * kColumnBlocks, kSums = 2 * kRowBlocks;
  alignas(64) int16_t a[kRows][kColumns], b[8][kColumns];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int group = lane / 4, first = lane % 4 * 4;
    for (int block = 0; block < kColumnBlocks; ++block) {
      for (int half = 0; half < kRowBlocks; ++half)
        unpack<A>(warp.source(i, block * kRowBlocks + half)[lane],
                  &a[8 * half + group][16 * block + first]);
      unpack<B>(warp.source(i, kOfA + block)[lane], &b[group][16 * block + first]);
    }
  }
  uint64_t results[kSums][kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int k = 0; k < kSums; ++k) {
      const int16_t* const row = a[lane / 4 + 8 * (k / 2)];
      const int16_t* const column = b[lane % 4 * 2 + k % 2];
      int32_t sum = 0;
      for (int at = 0; at < kColumns; ++at) sum += int32_t{row[at]} * column[at];
      const uint64_t before = warp.source(i, kOfA + kColumnBlocks + k)[lane];
      results[k][lane] = static_cast<uint32_t>(before + static_cast<uint32_t>(sum));
    }
  }
  for (int k = 0; k < kSums; ++k)
    std::memcpy(warp.destination(i, k), results[k], sizeof results[k]);
}

template <int kRows, int kColumns>
Handler matrix_product(PtxType a, PtxType b) {
  const bool signed_a = a == PtxType::kS8, signed_b = b == PtxType::kS8;
  if ((!signed_a && a != PtxType::kU8) || (!signed_b && b != PtxType::kU8)) return nullptr;
  if (signed_a)
    return signed_b ? multiply_matrices<int8_t, int8_t, kRows, kColumns>
                    : multiply_matrices<int8_t, uint8_t, kRows, kColumns>;
  return signed_b ? multiply_matrices<uint8_t, int8_t, kRows, kColumns>
                  : multiply_matrices<uint8_t, uint8_t, kRows, kColumns>;
}

// mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32
Result<Decoded> decode_product(Instruction& instruction, const Parts& parts) {
  if (parts.size() != 10 || parts[1] != "sync" || parts[2] != "aligned" || parts[4] != "row" ||
      parts[5] != "col" || parts[6] != "s32" || parts[9] != "s32")
    return not_emulated();
  const PtxType a = ptx_type(parts[7]), b = ptx_type(parts[8]);
  const bool large = parts[3] == "m16n8k32";
  if (!large && parts[3] != "m8n8k16") return not_emulated();
  instruction.handler = large ? matrix_product<16, 32>(a, b) : matrix_product<8, 16>(a, b);
  const int results = large ? 4 : 2, operands = large ? 10 : 4;
  if (instruction.handler == nullptr || instruction.destination_count != results ||
      instruction.source_count != operands)
    return not_emulated();
  return Decoded::kYes;
}

// ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
Result<Decoded> decode_load_matrices(Instruction& instruction, const Parts& parts) {
  const int count = has_part(parts, "x4") ? 4 : has_part(parts, "x2") ? 2 : 1;
  if (!only_has(parts, {"sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "shared"}) ||
      !has_part(parts, "m8n8") || instruction.type != PtxType::kB16 ||
      instruction.destination_count != count || instruction.source_count != 1)
    return not_emulated();
  instruction.space = has_part(parts, "shared") ? Space::kShared : Space::kGeneric;
  instruction.detail = has_part(parts, "trans") ? 1 : 0;
  instruction.handler = load_matrices;
  return Decoded::kYes;
}

Result<Decoded> decode_shuffle(Instruction& instruction, const Parts& parts) {
  if (parts.size() != 4 || parts[1] != "sync" || parts[3] != "b32" || instruction.source_count != 4)
    return not_emulated();
  constexpr std::pair<std::string_view, Shuffle> kKinds[] = {{"up", Shuffle::kUp},
                                                             {"down", Shuffle::kDown},
                                                             {"bfly", Shuffle::kButterfly},
                                                             {"idx", Shuffle::kIndex}};
  for (const auto& [name, kind] : kKinds) {
    if (parts[2] != name) continue;
    instruction.detail = static_cast<uint32_t>(kind);
    instruction.handler = shuffle;
    return Decoded::kYes;
  }
  return not_emulated();
}

Result<Decoded> decode_vote(Instruction& instruction, const Parts& parts) {
  if (parts.size() != 4 || parts[1] != "sync" || instruction.source_count != 2)
    return not_emulated();
  if (parts[2] == "ballot")
    instruction.detail = static_cast<uint32_t>(Vote::kBallot);
  else if (parts[2] == "any")
    instruction.detail = static_cast<uint32_t>(Vote::kAny);
  else if (parts[2] == "all")
    instruction.detail = static_cast<uint32_t>(Vote::kAll);
  else
    return not_emulated();
  instruction.handler = vote;
  return Decoded::kYes;
}

Result<Decoded> decode_reduction(Instruction& instruction, const Parts& parts) {
  if (parts.size() != 4 || parts[1] != "sync" || instruction.source_count != 2)
    return not_emulated();
  instruction.handler =
      instruction.type == PtxType::kS32 ? reduction<int32_t>(parts) : reduction<uint32_t>(parts);
  return instruction.handler != nullptr && bytes_of(instruction.type) == 4 ? Result(Decoded::kYes)
                                                                           : not_emulated();
}

}  // namespace

Result<Decoded> decode_warp(Instruction& instruction, const Parts& parts) {
  if (has_part(parts, "sync")) instruction.flow = Flow::kTogether;
  if (parts[0] == "shfl") return decode_shuffle(instruction, parts);
  if (parts[0] == "vote") return decode_vote(instruction, parts);
  if (parts[0] == "redux") return decode_reduction(instruction, parts);
  if (parts[0] == "mma") return decode_product(instruction, parts);
  if (parts[0] == "ldmatrix") return decode_load_matrices(instruction, parts);
  if (parts[0] != "activemask") return Decoded::kNotOfThisGroup;
  instruction.handler = active_mask;
  return Decoded::kYes;
}

}  // namespace bitnetc::emulator
