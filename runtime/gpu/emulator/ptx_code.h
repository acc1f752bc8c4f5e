// PTX as the emulator runs it: a function's instructions with their operands resolved to registers.
// Constants and special values are registers, too, filled before a warp begins.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitnetc::emulator {

inline constexpr int kLanes = 32;
using Mask = uint32_t;  // of lanes
inline constexpr Mask kAllLanes = ~Mask{0};

// A register of all lanes. Values of fewer than 64 bits are zero-extended; predicates are 0 or 1.
struct alignas(64) Register {
  uint64_t lane[kLanes];
};

enum class PtxType : uint8_t {
  kNone,
  kPred,
  kB8,
  kB16,
  kB32,
  kB64,
  kU8,
  kU16,
  kU32,
  kU64,
  kS8,
  kS16,
  kS32,
  kS64,
  kF16,
  kF32,
  kF64
};
int bytes_of(PtxType type);
PtxType ptx_type(std::string_view text);  // "s32"; kNone: no such type
bool is_signed(PtxType type);
bool is_float(PtxType type);

enum class Space : uint8_t { kGeneric, kGlobal, kShared, kLocal, kParameter };

// Where the generic addresses of a block's shared and a thread's local memory begin. Nothing else
// has addresses there.
inline constexpr uint64_t kSharedWindow = uint64_t{1} << 56;
inline constexpr uint64_t kLocalWindow = uint64_t{1} << 57;
inline constexpr uint64_t kWindowBytes = uint64_t{1} << 32;
constexpr bool is_in_window(uint64_t address, uint64_t window) {
  return address - window < kWindowBytes;
}

class Warp;
struct Instruction;
using Handler = void (*)(Warp&, const Instruction&, Mask);

// What the scheduler of a warp does itself.
enum class Flow : uint8_t { kNext, kBranch, kExit, kBarrier, kYield, kTogether };

struct Instruction {
  static constexpr int kMostSources = 12, kMostDestinations = 8;

  Handler handler = nullptr;
  // kYield: other warps get a turn afterwards; kTogether, kBarrier: the lanes of a warp that
  // diverged wait for each other there.
  Flow flow = Flow::kNext;
  int32_t guard = -1;  // register of its predicate; -1: none
  bool guard_negated = false;
  int32_t target = -1;  // of a branch
  uint8_t destination_count = 0, source_count = 0;
  int32_t destination[kMostDestinations] = {};
  int32_t source[kMostSources] = {};
  PtxType type = PtxType::kNone, from = PtxType::kNone;  // of the result; of what is converted
  Space space = Space::kGeneric;
  int64_t offset = 0;            // of an address
  bool has_wide_result = false;  // its registers have 64 bits, whatever its type
  uint32_t detail = 0;           // as the handler reads it: a lookup table, a mode
  int32_t line = 0;              // of the text
  int32_t name = 0;              // into PtxFunction::names
};

// A value that a register has before a warp begins.
enum class Special : uint8_t {
  kConstant,
  kThread,  // x; blocks have one axis
  kThreads,
  kBlockX,
  kBlockY,
  kBlocksX,
  kBlocksY,
  kLane,
  kWarp,
  kZero,  // of the other axes
  kOne,
};
struct Preset {
  int32_t reg;
  Special special;
  uint64_t value = 0;  // of a constant
};

struct PtxFunction {
  std::string name;
  std::vector<Instruction> code;
  std::vector<std::string> names;  // of instructions, with their modifiers
  std::vector<Preset> presets;
  int32_t registers = 0;
  int64_t parameter_bytes = 0;
  int64_t shared_bytes = 0;  // static
  int64_t local_bytes = 0;   // of a thread
  int most_threads = 1024;
};

}  // namespace bitnetc::emulator
