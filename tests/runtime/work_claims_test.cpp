#include "runtime/exec/work_claims.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace bitnetc {
namespace {

// Every unit of every turn is claimed exactly once, whoever is late.
TEST(WorkClaims, EveryUnitOnceInEveryTurn) {
  for (const int members : {1, 2, 3, 7}) {
    ThreadPool pool(members, /*pin=*/false);
    WorkClaims claims(members);
    const std::vector<int64_t> turns = {1000, 1, 17, 0, 64, 1000, 9, 333};
    std::vector<std::vector<std::atomic<int>>> claimed;
    for (const int64_t units : turns) claimed.emplace_back(static_cast<size_t>(units));
    pool.run([&](int member) {
      for (size_t turn = 0; turn < turns.size(); ++turn) {
        const bool is_late = static_cast<int>(turn) % members == member;
        if (is_late) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        claims.each_piece(turns[turn], turn % 2 == 0 ? 8 : 1, member, [&](Range piece) {
          for (int64_t unit = piece.begin; unit < piece.end; ++unit)
            ++claimed[turn][static_cast<size_t>(unit)];
        });
        pool.barrier();
      }
    });
    for (size_t turn = 0; turn < turns.size(); ++turn)
      for (const auto& count : claimed[turn])
        ASSERT_EQ(count, 1) << members << " members, turn " << turn;
  }
}

// A member that never comes back to its share does not keep the others from doing it.
TEST(WorkClaims, OthersDoTheShareOfWhoIsLate) {
  constexpr int64_t kUnits = 640;
  ThreadPool pool(2, /*pin=*/false);
  WorkClaims claims(2);
  std::atomic<int64_t> done_by_first = 0, done = 0;
  pool.run([&](int member) {
    claims.each_piece(kUnits, 8, member, [&](Range piece) {
      // The second member holds its first piece until everything else is done.
      if (member == 1)
        while (done < kUnits - (piece.end - piece.begin)) std::this_thread::yield();
      done += piece.end - piece.begin;
      if (member == 0) done_by_first += piece.end - piece.begin;
    });
  });
  EXPECT_EQ(done, kUnits);
  EXPECT_GE(done_by_first, kUnits / 2);
}

}  // namespace
}  // namespace bitnetc
