#include "runtime/schedule/waiting_line.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace bitnetc {
namespace {

SubmissionPtr waiting(RequestId id, int priority = 0, int64_t pages = 1) {
  auto submission = std::make_shared<Submission>();
  submission->id = id;
  submission->request.priority = priority;
  submission->most_pages = pages;
  submission->submitted_ns = static_cast<int64_t>(id) * 10;
  return submission;
}

// The ids in the order in which they are taken where pages up to `most_pages` fit.
std::vector<RequestId> taken(WaitingLine& line, int64_t most_pages = 1) {
  std::vector<RequestId> ids;
  const auto fits = [&](const Submission& each) { return each.most_pages <= most_pages; };
  while (const SubmissionPtr next = line.take(fits)) ids.push_back(next->id);
  return ids;
}

TEST(WaitingLine, PriorityThenArrival) {
  WaitingLine line(100);
  line.add(waiting(1));
  line.add(waiting(2, 3));
  line.add(waiting(3, -1));
  line.add(waiting(4, 3));
  EXPECT_EQ(line.size(), 4);
  EXPECT_EQ(line.oldest_ns(), 10);
  EXPECT_EQ(taken(line), (std::vector<RequestId>{2, 4, 1, 3}));
  EXPECT_EQ(line.oldest_ns(), std::nullopt);
}

TEST(WaitingLine, WhoWasOvertakenOftenEnoughIsFirst) {
  WaitingLine line(2);
  line.add(waiting(1));
  for (RequestId id = 2; id < 6; ++id) line.add(waiting(id, 1));
  EXPECT_EQ(taken(line), (std::vector<RequestId>{2, 3, 1, 4, 5}));
}

TEST(WaitingLine, NobodyPassesOneThatIsDue) {
  WaitingLine line(1);
  line.add(waiting(1, 0, 5));
  line.add(waiting(2));
  line.add(waiting(3));
  EXPECT_EQ(taken(line), std::vector<RequestId>{2});
  EXPECT_EQ(taken(line, 5), (std::vector<RequestId>{1, 3}));
}

TEST(WaitingLine, WithoutOvertakingArrivalDecides) {
  WaitingLine line(0);
  line.add(waiting(1));
  line.add(waiting(2, 9));
  EXPECT_EQ(taken(line), (std::vector<RequestId>{1, 2}));
}

TEST(WaitingLine, UnwantedOnesLeave) {
  WaitingLine line(2);
  for (RequestId id = 1; id < 5; ++id) line.add(waiting(id));
  const auto removed = line.remove([](const Submission& each) { return each.id % 2 == 0; });
  ASSERT_EQ(removed.size(), 2u);
  EXPECT_EQ(removed[1]->id, 4u);
  EXPECT_EQ(taken(line), (std::vector<RequestId>{1, 3}));
}

// However requests come, none is overtaken more often than may be.
TEST(WaitingLine, NobodyStarves) {
  std::mt19937 random(1);
  for (const int64_t most : {0, 1, 5}) {
    WaitingLine line(most);
    std::set<RequestId> here;
    std::map<RequestId, int64_t> overtaken;
    RequestId last = 0;
    for (int step = 0; step < 3000; ++step) {
      if (random() % 2 == 0) {
        line.add(waiting(++last, static_cast<int>(random() % 4), 1 + random() % 3));
        here.insert(last);
      }
      const int64_t pages = random() % 4;
      const SubmissionPtr next =
          line.take([&](const Submission& each) { return each.most_pages <= pages; });
      if (next == nullptr) continue;
      here.erase(next->id);
      for (const RequestId id : here)
        if (id < next->id) ++overtaken[id];
    }
    for (const auto& [id, times] : overtaken) EXPECT_LE(times, most);
  }
}

}  // namespace
}  // namespace bitnetc
