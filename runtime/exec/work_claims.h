// Who does which part of a step. Every pool member has a contiguous share, which it takes piece by piece; who is done helps
// the others with what is left of theirs. So a member that the system interrupts, or that runs on a slower core, does
// not make all wait, and as long as nobody is late the shares are what share() gives.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include "runtime/buffer.h"
#include "runtime/thread_pool.h"

namespace bitnetc {

class WorkClaims {
 public:
  explicit WorkClaims(int members)
      : members_(members), lines_(new Line[static_cast<size_t>(members)]) {}

  // Calls work(Range) for pieces of [0, units) until all are claimed; the pieces of all members together are the whole. Each
  // member calls it once a turn, in the same order of turns, with a barrier of the pool between two turns.
  template <typename Work>
  void each_piece(int64_t units, int member, const Work& work) {
    Line& own = lines_[static_cast<size_t>(member)];
    const int turn = own.turn;
    own.turn = (turn + 1) % kTurns;
    // Of the three turns this one is in use, the last one may still be read by who is late, the next one is nobody's.
    own.claimed[static_cast<size_t>(own.turn)].store(0, std::memory_order_relaxed);
    const int64_t piece = piece_units(units);
    for (int i = 0; i < members_; ++i) {
      const int owner = (member + i) % members_;
      const Range all = share(units, owner, members_);
      std::atomic<int64_t>& claimed =
          lines_[static_cast<size_t>(owner)].claimed[static_cast<size_t>(turn)];
      for (int64_t at;
           (at = all.begin + claimed.fetch_add(piece, std::memory_order_relaxed)) < all.end;)
        work(Range{at, std::min(at + piece, all.end)});
    }
  }

 private:
  static constexpr int kTurns = 3;
  // Pieces a share is cut into, and the least a piece has: kernels carry up to eight tiles through a step.
  static constexpr int64_t kPieces = 4, kLeastUnits = 8;

  int64_t piece_units(int64_t units) const {
    if (members_ == 1) return units;
    const int64_t even = units / (members_ * kPieces) / kLeastUnits * kLeastUnits;
    return std::max(even, kLeastUnits);
  }

  struct alignas(kCacheLineBytes) Line {
    std::array<std::atomic<int64_t>, kTurns> claimed = {};
    int turn = 0;  // the member's own business
  };
  const int members_;
  const std::unique_ptr<Line[]> lines_;
};

}  // namespace bitnetc
