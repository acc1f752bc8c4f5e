// Work stealing among the workers of a pool. Every worker has a contiguous share of the units,
// which it takes piece by piece; when its own share is done it takes pieces of the others' shares.
// A worker that the system interrupts, or that runs on a slower core, then delays nobody, and
// without such delays the shares are those of share().
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
  explicit WorkClaims(int workers)
      : workers_(workers), lines_(new Line[static_cast<size_t>(workers)]) {}

  // Calls work(Range) for pieces of [0, units), each of `least_units` or more but for the last of a
  // share, until all are claimed; the pieces of all workers together are the whole. Each worker
  // calls it once per turn, in the same order of turns, with a barrier of the pool between two
  // turns.
  template <typename Work>
  void each_piece(int64_t units, int64_t least_units, int worker, const Work& work) {
    Line& own = lines_[static_cast<size_t>(worker)];
    const int turn = own.turn;
    own.turn = (turn + 1) % kTurns;
    // Of the three turns this one is in use, a late worker may still read the last one, nobody uses
    // the next one.
    own.claimed[static_cast<size_t>(own.turn)].store(0, std::memory_order_relaxed);
    const int64_t piece = piece_units(units, least_units);
    for (int i = 0; i < workers_; ++i) {
      const int owner = (worker + i) % workers_;
      const Range all = share(units, owner, workers_);
      std::atomic<int64_t>& claimed =
          lines_[static_cast<size_t>(owner)].claimed[static_cast<size_t>(turn)];
      for (int64_t at;
           (at = all.begin + claimed.fetch_add(piece, std::memory_order_relaxed)) < all.end;)
        work(Range{at, std::min(at + piece, all.end)});
    }
  }

 private:
  static constexpr int kTurns = 3;
  static constexpr int64_t kPieces = 4;  // that a share is cut into

  int64_t piece_units(int64_t units, int64_t least_units) const {
    if (workers_ == 1) return units;
    const int64_t even = units / (workers_ * kPieces) / least_units * least_units;
    return std::max(even, least_units);
  }

  struct alignas(kCacheLineBytes) Line {
    std::array<std::atomic<int64_t>, kTurns> claimed = {};
    int turn = 0;  // read and written by the worker alone
  };
  const int workers_;
  const std::unique_ptr<Line[]> lines_;
};

}  // namespace bitnetc
