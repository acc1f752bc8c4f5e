#include "runtime/gpu/emulator/machine.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>

#include "runtime/rounding.h"

namespace bitnetc::emulator {
namespace {

constexpr int64_t kWordBytes = 4;
constexpr std::byte kUnwritten{0xCD};

Mask first_lanes(int count) {
  return count == kLanes ? kAllLanes : (Mask{1} << count) - 1;
}

// The lanes of a mask whose register is 1 (or 0).
Mask guarded(Mask active, const uint64_t* predicate, bool negated) {
  Mask mask = 0;
  for (int lane = 0; lane < kLanes; ++lane)
    mask |= static_cast<Mask>((predicate[lane] & 1) != (negated ? 1U : 0U)) << lane;
  return mask & active;
}

}  // namespace

// ---- SharedMemory

SharedMemory::SharedMemory(int64_t bytes)
    : bytes_(bytes),
      data_(static_cast<size_t>(bytes)),
      words_(static_cast<size_t>(ceil_div(bytes, kWordBytes))) {}

void SharedMemory::restart() {
  std::ranges::fill(data_, kUnwritten);
  std::ranges::fill(words_, Word{});
  ++epoch_;
}

SharedMemory::Word& SharedMemory::word(int64_t index) {
  Word& word = words_[static_cast<size_t>(index)];
  if (word.epoch != epoch_) word = {.epoch = epoch_, .copier = word.copier};
  return word;
}

bool SharedMemory::may_read(int64_t offset, int64_t bytes, int warp) {
  bool may = true;
  for (int64_t i = offset / kWordBytes; i <= (offset + bytes - 1) / kWordBytes; ++i) {
    Word& at = word(i);
    may &= (at.writer < 0 || at.writer == warp) && (at.copier < 0 || at.copier == warp);
    at.readers |= uint32_t{1} << warp;
  }
  return may;
}

bool SharedMemory::may_write(int64_t offset, int64_t bytes, int warp) {
  bool may = true;
  for (int64_t i = offset / kWordBytes; i <= (offset + bytes - 1) / kWordBytes; ++i) {
    Word& at = word(i);
    uint8_t written = 0xF;
    if (bytes < kWordBytes)
      written = static_cast<uint8_t>(((1U << bytes) - 1) << (offset % kWordBytes));
    const bool other_wrote = at.writer >= 0 && at.writer != warp && (at.written & written) != 0;
    may &= !other_wrote && (at.readers & ~(uint32_t{1} << warp)) == 0 &&
           (at.copier < 0 || at.copier == warp);
    at.written = at.writer == warp ? static_cast<uint8_t>(at.written | written) : written;
    at.writer = static_cast<int16_t>(warp);
  }
  return may;
}

bool SharedMemory::begin_copy(int64_t offset, int64_t bytes, int warp) {
  bool may = may_write(offset, bytes, warp);
  for (int64_t i = offset / kWordBytes; i <= (offset + bytes - 1) / kWordBytes; ++i) {
    Word& at = word(i);
    may &= at.copier < 0;
    at.copier = static_cast<int16_t>(warp);
  }
  return may;
}

bool SharedMemory::end_copy(int64_t offset, int64_t bytes, int warp) {
  const bool may = may_write(offset, bytes, warp);
  for (int64_t i = offset / kWordBytes; i <= (offset + bytes - 1) / kWordBytes; ++i)
    word(i).copier = -1;
  return may;
}

// ---- Warp

Warp::Warp(LaunchState& launch, Block& block, int index)
    : launch_(launch),
      block_(block),
      index_(index),
      lanes_(
          std::min<int>(kLanes, static_cast<int>(launch.request.launch.threads) - index * kLanes)),
      registers_(static_cast<size_t>(launch.request.function.registers)),
      local_(static_cast<size_t>(launch.request.function.local_bytes * kLanes)) {}

void Warp::restart() {
  const GpuLaunch& launch = launch_.request.launch;
  for (const Preset& preset : launch_.request.function.presets) {
    uint64_t* const to = registers_[static_cast<size_t>(preset.reg)].lane;
    for (int lane = 0; lane < kLanes; ++lane) {
      const auto value = [&]() -> uint64_t {
        switch (preset.special) {
          case Special::kConstant: return preset.value;
          case Special::kThread: return static_cast<uint64_t>(index_ * kLanes + lane);
          case Special::kThreads: return launch.threads;
          case Special::kBlockX: return block_.x;
          case Special::kBlockY: return block_.y;
          case Special::kBlocksX: return launch.blocks_x;
          case Special::kBlocksY: return launch.blocks_y;
          case Special::kLane: return static_cast<uint64_t>(lane);
          case Special::kWarp: return static_cast<uint64_t>(index_);
          case Special::kZero: return 0;
          case Special::kOne: return 1;
        }
        return 0;
      };
      to[lane] = value();
    }
  }
  std::ranges::fill(local_, kUnwritten);
  copies_.assign(1, {});
  gathering_ = 0;
  alive_ = first_lanes(lanes_);
  state_ = State::kRuns;
  set_pc(kAllLanes, 0);
}

std::string Warp::where(const Instruction& instruction, int lane) const {
  const PtxFunction& function = launch_.request.function;
  return fmt::format("PTX line {}, {}, block {},{}, thread {}", instruction.line,
                     function.names[static_cast<size_t>(instruction.name)], block_.x, block_.y,
                     index_ * kLanes + lane);
}

void Warp::fail(const Instruction& instruction, int lane, const std::string& what) {
  if (launch_.fault.empty())
    launch_.fault =
        fmt::format("{}: {}: {}", launch_.request.kernel_name, where(instruction, lane), what);
}

void Warp::set_pc(Mask lanes, int32_t pc) {
  for (int lane = 0; lane < kLanes; ++lane)
    if (lanes >> lane & 1) pc_[lane] = pc;
}

void Warp::end(Mask lanes) {
  alive_ &= ~lanes;
  if (alive_ != 0) return;
  state_ = State::kEnded;
  --block_.alive;
}

// Lanes that stand at the lowest instruction go on together until they reach others.
void Warp::run(int64_t turn) {
  while (state_ == State::kRuns && turn > 0 && launch_.fault.empty()) {
    // Where all wait for others, the first go on as they are: whoever should be there is not.
    const Mask runnable = (alive_ & ~gathering_) != 0 ? alive_ & ~gathering_ : alive_;
    int32_t pc = INT32_MAX;
    for (int lane = 0; lane < kLanes; ++lane)
      if (runnable >> lane & 1) pc = std::min(pc, pc_[lane]);
    Mask active = 0;
    int32_t stop = INT32_MAX;
    for (int lane = 0; lane < kLanes; ++lane) {
      if ((alive_ >> lane & 1) == 0) continue;
      if (pc_[lane] == pc)
        active |= Mask{1} << lane;
      else if (pc_[lane] > pc)
        stop = std::min(stop, pc_[lane]);
    }
    gathering_ &= ~active;
    run_together(active, pc, stop, turn);
  }
}

// Whether the lanes at an instruction of the whole warp may go on: all are there, or nobody is left
// who could come. `active`: those that are there.
bool Warp::gather(Mask& active, int32_t pc) {
  set_pc(active, pc);
  for (int lane = 0; lane < kLanes; ++lane)
    if ((gathering_ >> lane & 1) != 0 && pc_[lane] == pc) active |= Mask{1} << lane;
  gathering_ |= active;
  if ((alive_ & ~gathering_) != 0) return false;
  gathering_ &= ~active;
  return true;
}

void Warp::run_together(Mask active, int32_t pc, int32_t stop, int64_t& turn) {
  const PtxFunction& function = launch_.request.function;
  LaunchMetrics& metrics = launch_.metrics;
  for (; pc < stop; ++pc) {
    const Instruction& instruction = function.code[static_cast<size_t>(pc)];
    const bool gathers = instruction.flow == Flow::kTogether || instruction.flow == Flow::kBarrier;
    if (gathers && active != alive_ && !gather(active, pc)) return;
    Mask mask = active;
    if (instruction.guard >= 0)
      mask = guarded(active, registers_[static_cast<size_t>(instruction.guard)].lane,
                     instruction.guard_negated);
    ++metrics.warp_instructions;
    metrics.lane_instructions += std::popcount(mask);
    if (launch_.settings.counts_instructions)
      ++metrics.by_name[function.names[static_cast<size_t>(instruction.name)]];
    --turn;
    switch (instruction.flow) {
      case Flow::kNext:
        if (mask == 0) continue;
        instruction.handler(*this, instruction, mask);
        if (!launch_.fault.empty()) return;
        continue;
      case Flow::kTogether:
        if (mask != 0) instruction.handler(*this, instruction, mask);
        if (!launch_.fault.empty()) return;
        if (active == alive_) continue;
        set_pc(active, pc + 1);
        return;
      case Flow::kYield:
        if (mask != 0) instruction.handler(*this, instruction, mask);
        set_pc(active, pc + 1);
        turn = 0;
        return;
      case Flow::kBranch:
        if (mask == 0) continue;
        if (mask == alive_ && turn > 0) {  // all go on together
          pc = instruction.target - 1;
          continue;
        }
        set_pc(mask, instruction.target);
        set_pc(active & ~mask, pc + 1);
        return;
      case Flow::kExit:
        set_pc(active, pc + 1);
        end(mask);
        return;
      case Flow::kBarrier:
        if (mask != alive_)
          return fail(instruction, std::countr_zero(alive_ & ~mask),
                      "a barrier that other threads of the warp have not reached");
        set_pc(active, pc + 1);
        return wait_at(instruction);
    }
  }
  set_pc(active, pc);
}

// A barrier is for all warps: those at another one will never leave it.
void Warp::wait_at(const Instruction& barrier) {
  const int first = std::countr_zero(alive_);
  const uint64_t which = source(barrier, 0)[first];
  if (block_.waiting > 0 && block_.barrier != which)
    return fail(barrier, first,
                fmt::format("deadlock: at barrier {}, while other warps wait at barrier {}", which,
                            block_.barrier));
  block_.barrier = which;
  ++block_.waiting;
  state_ = State::kWaits;
}

// ---- blocks

namespace {

// Blocks that run at the same time, and all their warps.
class BlockGroup {
 public:
  BlockGroup(LaunchState& launch, int64_t blocks) : launch_(launch) {
    const GpuLaunch& shape = launch.request.launch;
    const int warps = static_cast<int>(ceil_div(shape.threads, uint32_t{kLanes}));
    const int64_t shared_bytes = round_up(launch.request.function.shared_bytes, int64_t{16}) +
                                 static_cast<int64_t>(shape.shared_bytes);
    for (int64_t i = 0; i < blocks; ++i) {
      blocks_.push_back(std::make_unique<Block>(shared_bytes, warps));
      for (int warp = 0; warp < warps; ++warp) warps_.emplace_back(launch, *blocks_.back(), warp);
    }
  }

  // Runs blocks [first, first + as many as there are) in the order of `order`.
  void run(std::span<const int64_t> order, bool warps_backwards) {
    const uint32_t columns = launch_.request.launch.blocks_x;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      Block& block = *blocks_[i];
      block.x = static_cast<uint32_t>(order[i] % columns);
      block.y = static_cast<uint32_t>(order[i] / columns);
      block.shared.restart();
      block.alive = block.warps;
      block.waiting = 0;
    }
    for (Warp& warp : warps_) warp.restart();
    while (launch_.fault.empty() && take_turns(warps_backwards)) {
    }
  }

 private:
  static constexpr int64_t kTurn = 100'000;  // instructions of a warp

  // Whether there is anything left to do.
  bool take_turns(bool backwards) {
    bool ran = false, all_ended = true;
    for (size_t i = 0; i < warps_.size() && launch_.fault.empty(); ++i) {
      Warp& warp = warps_[backwards ? warps_.size() - 1 - i : i];
      all_ended &= warp.state() == Warp::State::kEnded;
      if (warp.state() != Warp::State::kRuns) continue;
      ran = true;
      warp.run(kTurn);
      meet(warp.block());
    }
    if (launch_.metrics.warp_instructions > launch_.settings.most_instructions)
      fail(fmt::format("more than {} instructions of warps: an endless loop",
                       launch_.settings.most_instructions));
    if (!ran && !all_ended) fail("deadlock: all threads wait for others");
    return ran;
  }

  // Lets the warps of a block go on that have all reached the barrier.
  void meet(Block& block) {
    if (block.waiting == 0 || block.waiting < block.alive) return;
    block.waiting = 0;
    block.shared.pass_barrier();
    for (Warp& warp : warps_)
      if (&warp.block() == &block && warp.state() == Warp::State::kWaits) warp.pass_barrier();
  }

  void fail(const std::string& what) {
    if (launch_.fault.empty())
      launch_.fault = fmt::format("{}: {}", launch_.request.kernel_name, what);
  }

  LaunchState& launch_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<Warp> warps_;
};

// Up, down, or mixed.
std::vector<int64_t> block_order(int64_t count, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  if (seed % 3 == 1) std::ranges::reverse(order);
  if (seed % 3 == 2) std::ranges::shuffle(order, std::mt19937_64(seed));
  return order;
}

}  // namespace

Status run_launch(const LaunchRequest& request, const EmulatorSettings& settings, MemoryMap& memory,
                  LaunchMetrics& metrics) {
  LaunchState state{
      .request = request, .settings = settings, .memory = memory, .metrics = {}, .fault = {}};
  const int64_t blocks =
      static_cast<int64_t>(request.launch.blocks_x) * static_cast<int64_t>(request.launch.blocks_y);
  const int64_t together = request.launch.all_resident ? blocks : 1;
  const std::vector<int64_t> order = block_order(blocks, settings.seed);
  BlockGroup group(state, together);
  for (int64_t first = 0; first < blocks && state.fault.empty(); first += together)
    group.run(std::span(order).subspan(static_cast<size_t>(first), static_cast<size_t>(together)),
              settings.seed % 2 == 1);
  metrics = std::move(state.metrics);
  return state.fault.empty() ? Status() : Status(StatusCode::kUnsupported, state.fault);
}

}  // namespace bitnetc::emulator
