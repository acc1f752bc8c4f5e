// The state of a launch on the emulated GPU: warps, blocks with their shared memory, and what went
// wrong.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/gpu/emulator/memory_map.h"
#include "runtime/gpu/emulator/ptx_code.h"
#include "runtime/gpu_device.h"
#include "runtime/gpu_emulator.h"

namespace bitnetc::emulator {

// What a launch is given.
struct LaunchRequest {
  const PtxFunction& function;
  std::string kernel_name;
  GpuLaunch launch;
  std::span<const std::byte> parameter;
};

// Of the whole launch.
struct LaunchState {
  const LaunchRequest& request;
  const EmulatorSettings& settings;
  MemoryMap& memory;
  LaunchMetrics metrics;
  std::string fault;  // the first one; empty: none
};

// Shared memory of a block. Between two barriers a word may be written by one warp alone, and then
// nobody else may read it.
class SharedMemory {
 public:
  explicit SharedMemory(int64_t bytes);

  int64_t bytes() const { return bytes_; }
  std::byte* data() { return data_.data(); }
  // For the next block.
  void restart();
  void pass_barrier() { ++epoch_; }
  // Whether nobody else's access since the last barrier is against this one.
  bool may_read(int64_t offset, int64_t bytes, int warp);
  bool may_write(int64_t offset, int64_t bytes, int warp);
  // The same for a copy that goes on beside the computation. From its begin to its end no other
  // warp may use the words, whatever barriers there are.
  bool begin_copy(int64_t offset, int64_t bytes, int warp);
  bool end_copy(int64_t offset, int64_t bytes, int warp);

 private:
  struct Word {
    uint32_t epoch = 0;
    int16_t writer = -1;  // the last warp that wrote it
    uint8_t written = 0;  // bytes of it, a bit each
    uint32_t readers = 0;
    int16_t copier = -1;  // the warp whose copy to it is under way
  };
  Word& word(int64_t index);

  int64_t bytes_;
  std::vector<std::byte> data_;
  std::vector<Word> words_;
  uint32_t epoch_ = 1;
};

// A block that runs, or one of several that run together.
struct Block {
  Block(int64_t shared_bytes, int warps_of_block) : shared(shared_bytes), warps(warps_of_block) {}

  SharedMemory shared;
  int warps;
  uint32_t x = 0, y = 0;
  int alive = 0, waiting = 0;  // warps
  uint64_t barrier = 0;        // where they wait
};

// A copy to shared memory that the kernel has not waited for.
struct PendingCopy {
  int64_t shared_offset;
  uint64_t from;
  int bytes, zeros;  // behind `bytes`
};

class Warp {
 public:
  enum class State : uint8_t { kRuns, kWaits, kEnded };

  Warp(LaunchState& launch, Block& block, int index);

  void restart();  // for the next block
  // Runs until it waits, ends, yields or a fault happens; at most `turn` instructions.
  void run(int64_t turn);
  State state() const { return state_; }
  void pass_barrier() { state_ = State::kRuns; }
  // Instruction, block and thread of what it does now.
  std::string where(const Instruction& instruction, int lane) const;

  // ---- for handlers

  const uint64_t* source(const Instruction& instruction, int index) const {
    return registers_[static_cast<size_t>(instruction.source[index])].lane;
  }
  uint64_t* destination(const Instruction& instruction, int index) {
    return registers_[static_cast<size_t>(instruction.destination[index])].lane;
  }
  int index() const { return index_; }
  int lanes() const { return lanes_; }
  Mask alive() const { return alive_; }
  Block& block() { return block_; }
  LaunchState& launch() { return launch_; }
  std::byte* local(int lane) {
    return local_.data() + static_cast<ptrdiff_t>(lane * launch_.request.function.local_bytes);
  }
  std::vector<std::vector<PendingCopy>>& copies() { return copies_; }
  void fail(const Instruction& instruction, int lane, const std::string& what);

 private:
  void run_together(Mask active, int32_t pc, int32_t stop, int64_t& turn);
  bool gather(Mask& active, int32_t pc);
  void set_pc(Mask lanes, int32_t pc);
  void end(Mask lanes);
  void wait_at(const Instruction& barrier);

  LaunchState& launch_;
  Block& block_;
  const int index_;
  const int lanes_;
  std::vector<Register> registers_;
  std::vector<std::byte> local_;
  // Groups of copies that were begun, the oldest first; the last is not closed.
  std::vector<std::vector<PendingCopy>> copies_;
  int32_t pc_[kLanes] = {};
  Mask alive_ = 0;
  Mask gathering_ = 0;  // lanes that wait for others of the warp where they stand
  State state_ = State::kRuns;
};

// Runs all blocks. Error: kUnsupported saying what went wrong, and where.
Status run_launch(const LaunchRequest& request, const EmulatorSettings& settings, MemoryMap& memory,
                  LaunchMetrics& metrics);

}  // namespace bitnetc::emulator
