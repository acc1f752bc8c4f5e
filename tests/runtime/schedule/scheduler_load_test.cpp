// Exactness under load: whatever runs beside a request, is reused, evicted or cancelled, its ids
// are those of its lone run; and no page is left behind.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "tests/support/schedule_fixture.h"

namespace bitnetc::test {
namespace {

class Load : public ScheduleFixture {};

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(engine_() % static_cast<uint64_t>(most - least + 1));
  }
  Tokens tokens(int64_t count) {
    Tokens made;
    for (int64_t i = 0; i < count; ++i) made.push_back(static_cast<int32_t>(between(0, 318)));
    return made;
  }

 private:
  std::mt19937 engine_;
};

SamplingParams random_sampling(Random& random) {
  SamplingParams params;
  params.seed = static_cast<uint64_t>(random.between(0, 1000));
  const int64_t kind = random.between(0, 4);
  if (kind > 0) params.temperature = 0.8;
  if (kind == 1) params.top_k = 5;
  if (kind == 2) params.top_p = 0.9;
  if (kind == 3) params.min_p = 0.05;
  if (random.between(0, 2) == 0) params.repeat_penalty = 1.2;
  return params;
}

// Prompts that begin like one another, some up to the middle of a page.
std::vector<TokenRequest> random_requests(int count, uint32_t seed) {
  Random random(seed);
  std::vector<Tokens> beginnings;
  for (int i = 0; i < 4; ++i) beginnings.push_back(random.tokens(random.between(20, 170)));
  std::vector<TokenRequest> requests;
  for (int i = 0; i < count; ++i) {
    TokenRequest request;
    const Tokens& beginning = beginnings[static_cast<size_t>(random.between(0, 3))];
    request.prompt.assign(beginning.begin(),
                          beginning.begin() + random.between(1, std::ssize(beginning)));
    const Tokens own = random.tokens(random.between(0, 3) == 0 ? 0 : random.between(1, 50));
    request.prompt.insert(request.prompt.end(), own.begin(), own.end());
    request.most_tokens = random.between(0, 30);
    request.sampling = random_sampling(random);
    request.priority = static_cast<int>(random.between(0, 2));
    if (random.between(0, 1) == 0) request.stop_ids = random.tokens(20);
    requests.push_back(std::move(request));
  }
  return requests;
}

constexpr int kRequests = 64;

struct Alone {
  std::vector<TokenRequest> requests;
  std::vector<Tokens> ids;
};

struct Conditions {
  int64_t running, pages, rows, prompt_rows;
  int threads;
};

void PrintTo(const Conditions& at, std::ostream* out) {
  *out << at.running << " running, " << at.pages << " pages, " << at.rows << " rows, "
       << at.prompt_rows << " of prompts, " << at.threads << " threads";
}

class UnderLoad : public Load, public testing::WithParamInterface<Conditions> {
 protected:
  static const Alone& solo() {
    static const Alone known = [] {
      Alone made{random_requests(kRequests, 7), {}};
      for (const TokenRequest& request : made.requests) made.ids.push_back(alone(request));
      return made;
    }();
    return known;
  }

  static SchedulerOptions options() {
    const Conditions& at = GetParam();
    return {.most_rows = at.rows,
            .most_prompt_rows = at.prompt_rows,
            .most_running = at.running,
            .most_waiting = kRequests};
  }
};

void expect_no_page_is_lost(Scheduler& scheduler, const CpuExecutor& executor) {
  EXPECT_EQ(scheduler.stats().running, 0);
  EXPECT_EQ(scheduler.stats().waiting, 0);
  EXPECT_EQ(scheduler.stats().refused_passes, 0);  // what was promised was there
  EXPECT_EQ(executor.pool()->pages_in_use(), scheduler.stats().cached_pages);
  scheduler.clear_cache();
  EXPECT_EQ(executor.pool()->pages_in_use(), 0);
}

// Some are cancelled, some decline after a few tokens, some come while others run.
TEST_P(UnderLoad, IdsAreThoseOfLoneRuns) {
  const auto executor = make_executor(GetParam().threads, GetParam().pages);
  const auto scheduler = make_scheduler(executor, options());
  Random random(11);
  std::vector<Told> told(kRequests);
  std::vector<RequestId> ids;
  std::vector<bool> is_whole(kRequests, true);
  const auto submit = [&](size_t i) {
    TokenRequest request = solo().requests[i];
    if (random.between(0, 9) == 0) {
      is_whole[i] = false;
      request.on_token = [](const SampledToken& token) { return token.index < 3; };
    }
    const auto id = scheduler->submit(recorded(std::move(request), told[i]));
    ASSERT_TRUE(id.ok()) << id.status().message();
    ids.push_back(*id);
  };
  bool works = true;
  while (works || ids.size() < kRequests) {
    for (int64_t n = random.between(0, 3); n > 0 && ids.size() < kRequests; --n) submit(ids.size());
    if (!ids.empty() && random.between(0, 19) == 0) {
      const auto victim = static_cast<size_t>(random.between(0, std::ssize(ids) - 1));
      if (scheduler->cancel(ids[victim])) is_whole[victim] = false;
    }
    works = scheduler->step();
    ASSERT_LE(executor->pool()->pages_in_use(), GetParam().pages);
  }
  for (size_t i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(told[i].end.has_value()) << "request " << i;
    Tokens expected = solo().ids[i];
    if (!is_whole[i]) expected.resize(std::min(expected.size(), told[i].ids.size()));
    EXPECT_EQ(told[i].ids, expected) << "request " << i;
  }
  EXPECT_GT(scheduler->stats().reused_tokens, 0);
  EXPECT_EQ(scheduler->stats().evictions > 0, GetParam().pages < 100);
  expect_no_page_is_lost(*scheduler, *executor);
}

// The same requests again and again, of which the first passes left everything.
TEST_P(UnderLoad, WhatWasReusedGivesTheSame) {
  const auto executor = make_executor(GetParam().threads, GetParam().pages);
  const auto scheduler = make_scheduler(executor, options());
  for (int round = 0; round < 2; ++round) {
    std::vector<Told> told(kRequests);
    for (size_t i = 0; i < kRequests; ++i)
      ASSERT_TRUE(scheduler->submit(recorded(solo().requests[i], told[i])).ok());
    while (scheduler->step()) continue;
    for (size_t i = 0; i < kRequests; ++i)
      EXPECT_EQ(told[i].ids, solo().ids[i]) << "round " << round << ", request " << i;
  }
  expect_no_page_is_lost(*scheduler, *executor);
}

INSTANTIATE_TEST_SUITE_P(Limits, UnderLoad,
                         testing::Values(Conditions{1, 4, 256, 64, 1}, Conditions{1, 200, 1, 1, 1},
                                         Conditions{2, 4, 256, 7, 1}, Conditions{2, 9, 16, 16, 2},
                                         Conditions{5, 6, 40, 33, 2}, Conditions{5, 200, 64, 64, 1},
                                         Conditions{16, 4, 256, 256, 1},
                                         Conditions{16, 11, 16, 5, 2},
                                         Conditions{16, 200, 256, 64, 3}));

// Threads that submit and cancel, also from callbacks, while another runs passes.
TEST_F(Load, CancelStormsLeaveNothingBehind) {
  constexpr int kThreads = 3, kEach = 40;
  const std::vector<TokenRequest> requests = random_requests(kThreads * kEach, 3);
  const auto executor = make_executor(2, 9);
  const auto scheduler = make_scheduler(executor, {.most_running = 5, .most_waiting = 20});
  std::thread engine([&] { scheduler->run(); });
  std::vector<Told> told(requests.size());
  std::atomic<int64_t> accepted = 0, refused = 0;
  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t)
    clients.emplace_back([&, t] {
      Random random(static_cast<uint32_t>(t));
      for (int i = 0; i < kEach; ++i) {
        const auto at = static_cast<size_t>(t * kEach + i);
        TokenRequest request = requests[at];
        if (random.between(0, 4) == 0)
          request.on_token = [&](const SampledToken& token) {
            if (token.index == 2) scheduler->cancel(token.request);
            return true;
          };
        const auto id = scheduler->submit(recorded(std::move(request), told[at]));
        EXPECT_TRUE(id.ok() || id.status().code() == StatusCode::kOutOfMemory);
        ++(id.ok() ? accepted : refused);
        if (id.ok() && random.between(0, 1) == 0) scheduler->cancel(*id);
        EXPECT_LE(scheduler->stats().running, 5);
      }
    });
  for (std::thread& client : clients) client.join();
  scheduler->close();
  engine.join();
  int64_t ended = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!told[i].end) continue;
    ++ended;
    Tokens expected = alone(requests[i]);
    if (told[i].end->reason == EndReason::kCancelled)
      expected.resize(std::min(expected.size(), told[i].ids.size()));
    EXPECT_EQ(told[i].ids, expected) << "request " << i;
  }
  EXPECT_EQ(ended, accepted.load());
  EXPECT_EQ(accepted + refused, std::ssize(requests));
  expect_no_page_is_lost(*scheduler, *executor);
}

}  // namespace
}  // namespace bitnetc::test
