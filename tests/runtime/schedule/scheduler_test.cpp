// What the scheduler promises of one request and its neighbours; exactness under load is in
// scheduler_load_test.cpp.
#include "runtime/scheduler.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "tests/support/reference_model.h"
#include "tests/support/schedule_fixture.h"

namespace bitnetc::test {
namespace {

// An executor that can be told to refuse memory and remembers what it ran.
class WatchedExecutor final : public Executor {
 public:
  explicit WatchedExecutor(std::shared_ptr<CpuExecutor> inner) : inner_(std::move(inner)) {}

  const Executable& executable() const override { return inner_->executable(); }
  std::shared_ptr<KvPool> pool() const override { return inner_->pool(); }
  Status run(std::span<const BatchRow> rows, const CancelToken* cancel) override {
    if (refusals > 0) {
      --refusals;
      return {StatusCode::kOutOfMemory, "refused"};
    }
    batches.emplace_back(rows.begin(), rows.end());
    return inner_->run(rows, cancel);
  }
  Scores scores(size_t row) const override { return inner_->scores(row); }
  Status complete() override { return inner_->complete(); }
  int64_t memory_bytes() const override { return inner_->memory_bytes(); }

  int refusals = 0;
  std::vector<std::vector<BatchRow>> batches;

 private:
  const std::shared_ptr<CpuExecutor> inner_;
};

Tokens counted(int64_t count, int64_t from = 0) {
  Tokens tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((from + i) % 311));
  return tokens;
}

class Schedule : public ScheduleFixture {
 protected:
  void use(SchedulerOptions options) {
    if (options.page_limit == 0) options.page_limit = 64;
    options.now_ns = [this] { return now_ns_; };
    executor_ = std::make_shared<WatchedExecutor>(make_executor());
    scheduler_ = make_scheduler(executor_, options);
  }
  RequestId submit(TokenRequest request, Told& told) {
    const auto id = scheduler_->submit(recorded(std::move(request), told));
    EXPECT_TRUE(id.ok()) << id.status().message();
    return id.ok() ? *id : 0;
  }
  void finish() {
    while (scheduler_->step()) continue;
  }
  std::string refusal(TokenRequest request) {
    const auto id = scheduler_->submit(std::move(request));
    EXPECT_FALSE(id.ok());
    return id.status().message();
  }
  int64_t pages() const { return executor_->pool()->pages_in_use(); }

  int64_t now_ns_ = 1000;
  std::shared_ptr<WatchedExecutor> executor_;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(Schedule, OptionsOutOfRangeAreRefused) {
  const auto message = [&](const SchedulerOptions& options) {
    return Scheduler::create(make_executor(1, 40), options).status().message();
  };
  EXPECT_EQ(message({}), "");
  EXPECT_EQ(message({.most_rows = 257}), "most_rows = 257, expected 1..256");
  EXPECT_EQ(message({.most_rows = 32}), "most_prompt_rows = 64, expected 1..32");
  EXPECT_EQ(message({.most_running = 0}), "most_running = 0, expected 1..256");
  EXPECT_EQ(message({.context_tokens = 257}), "context_tokens = 257, expected 1..256");
  EXPECT_EQ(message({.page_limit = 41}), "page_limit = 41, expected 1..40");
  EXPECT_EQ(Scheduler::create(make_executor(), {}).status().message(),
            "page_limit = 0, expected 1..2147483647");
}

TEST_F(Schedule, TextEncodersAreRefused) {
  const TempFolder folder;
  compile_folder(reference_folder("embedding-gemma3-odd"), folder.file("encoder.bnc"),
                 host_target());
  std::shared_ptr<Executor> executor =
      *CpuExecutor::create(link_file(folder.file("encoder.bnc"), host_target()), {});
  EXPECT_EQ(Scheduler::create(std::move(executor), {.page_limit = 4}).status().message(),
            "a text encoder writes no text to schedule");
}

TEST_F(Schedule, WhatCanNeverRunIsRefusedWithTheNumbers) {
  use({.page_limit = 3});
  EXPECT_EQ(refusal({}), "prompt: no ids, expected at least 1");
  EXPECT_EQ(refusal({.prompt = {1, 320}}), "prompt: token 1 has id 320, expected 0..319");
  EXPECT_EQ(refusal({.prompt = {1}, .most_tokens = -1}), "most_tokens = -1, expected 0 or more");
  EXPECT_EQ(refusal({.prompt = {1}, .sampling = {.top_p = 2}}),
            "top_p=2: expected more than 0, at most 1 (off)");
  EXPECT_EQ(refusal({.prompt = {1}, .timeout_ns = -5}),
            "timeout_ns = -5, expected 0 (none) or more");
  EXPECT_EQ(refusal({.prompt = counted(100), .most_tokens = 158}),
            "a prompt of 100 tokens and at most 158 more do not fit in a context of 256");
  EXPECT_EQ(refusal({.prompt = counted(100), .most_tokens = 94}),
            "a prompt of 100 tokens and at most 94 more need 4 KV pages of 64 positions, "
            "there are 3");
  EXPECT_EQ(refusal({.prompt = counted(193)}),
            "a prompt of 193 tokens and at most 1 more need 4 KV pages of 64 positions, "
            "there are 3");
  Told told;
  submit({.prompt = counted(100), .most_tokens = 93}, told);
  finish();
  EXPECT_EQ(told.ids.size(), 93u);
}

TEST_F(Schedule, TextEndsForAReason) {
  use({});
  TokenRequest request{.prompt = counted(20), .most_tokens = 6};
  const Tokens all = alone(request);
  Told most, none, stop, declined, full;
  submit(request, most);
  submit({.prompt = counted(20), .most_tokens = 0}, none);
  submit({.prompt = counted(20), .most_tokens = 6, .stop_ids = {all[2]}}, stop);
  request.on_token = [](const SampledToken& token) { return token.index < 1; };
  submit(request, declined);
  submit({.prompt = counted(200)}, full);
  finish();
  EXPECT_EQ(most.ids, all);
  EXPECT_EQ(most.end->reason, EndReason::kMostTokens);
  EXPECT_EQ(none.ids, Tokens());
  EXPECT_EQ(none.end->reason, EndReason::kMostTokens);
  const auto first_stop = std::ranges::find(all, all[2]);
  EXPECT_EQ(stop.ids, Tokens(all.begin(), first_stop + 1));
  EXPECT_EQ(stop.end->reason, EndReason::kStopId);
  EXPECT_EQ(declined.ids, Tokens(all.begin(), all.begin() + 2));
  EXPECT_EQ(declined.end->reason, EndReason::kDeclined);
  EXPECT_EQ(full.ids.size(), 57u);  // the last one takes no position
  EXPECT_EQ(full.end->reason, EndReason::kContextFull);
  EXPECT_EQ(full.ids, alone({.prompt = counted(200)}));
  EXPECT_EQ(most.admitted, 1);
  EXPECT_EQ(most.end->tokens, 6);
}

// Every text gets its token in every pass, whatever prompts come.
TEST_F(Schedule, ALongPromptStopsNobody) {
  use({.most_rows = 20, .most_prompt_rows = 16, .most_running = 6});
  Told writer, other, reader, short_reader;
  submit({.prompt = {1}, .most_tokens = 40}, writer);
  submit({.prompt = {2}, .most_tokens = 40}, other);
  scheduler_->step();
  submit({.prompt = counted(200), .most_tokens = 1}, reader);
  submit({.prompt = counted(9, 100), .most_tokens = 1}, short_reader);
  for (size_t pass = 1; !reader.end; ++pass) {
    scheduler_->step();
    EXPECT_EQ(writer.ids.size(), pass + 1);
    EXPECT_EQ(other.ids.size(), pass + 1);
    EXPECT_LE(executor_->batches.back().size(), 18u);
    if (pass == 2) {
      EXPECT_TRUE(short_reader.end.has_value());  // 8 rows in each pass
    }
  }
  EXPECT_EQ(executor_->batches.size(), 1u + 14u);
  finish();
}

TEST_F(Schedule, EqualPromptsAreReadOnce) {
  use({.most_running = 4});
  std::vector<Told> told(4);
  for (Told& each : told) submit({.prompt = counted(200), .most_tokens = 3}, each);
  finish();
  for (const Told& each : told) EXPECT_EQ(each.ids, told[0].ids);
  EXPECT_EQ(told[0].ids, alone({.prompt = counted(200), .most_tokens = 3}));
  // All but the positions of the last page, which is not full.
  EXPECT_EQ(scheduler_->stats().prompt_tokens, 200 + 3 * 8);
  EXPECT_EQ(scheduler_->stats().reused_tokens, 3 * 192);
}

TEST_F(Schedule, PrefixesOfAnyLengthAreReused) {
  use({});
  const auto reused = [&](const Tokens& prompt) {
    const TokenRequest request{.prompt = prompt, .most_tokens = 5};
    Told told;
    submit(request, told);
    finish();
    EXPECT_EQ(told.ids, alone(request));
    return told.end->reused_tokens;
  };
  Tokens conversation = counted(150);
  EXPECT_EQ(reused(conversation), 0);
  EXPECT_EQ(reused(conversation), 149);  // the last one is read for its logits
  for (const int64_t common : {1, 63, 64, 65, 100, 128, 149}) {
    Tokens prompt = counted(common);
    prompt.push_back(317);
    prompt.push_back(static_cast<int32_t>(common));
    EXPECT_EQ(reused(prompt), common);
  }
  // The next turn of a conversation: all but the last token, which was never fed.
  const Tokens answer = alone({.prompt = conversation, .most_tokens = 5});
  conversation.insert(conversation.end(), answer.begin(), answer.end());
  conversation.push_back(3);
  EXPECT_EQ(reused(conversation), 154);
}

TEST_F(Schedule, ACancelledRequestEndsWithinAStepAndAlone) {
  use({.most_running = 2});
  const TokenRequest request{.prompt = counted(30), .most_tokens = 12};
  Told running, neighbour, waiting, reading;
  const RequestId first = submit(request, running);
  submit({.prompt = counted(20), .most_tokens = 12}, neighbour);
  const RequestId third = submit(request, waiting);
  for (int i = 0; i < 4; ++i) scheduler_->step();
  EXPECT_FALSE(running.end.has_value());
  EXPECT_TRUE(scheduler_->cancel(third));
  EXPECT_TRUE(scheduler_->cancel(first));
  const size_t before = running.ids.size();
  scheduler_->step();
  EXPECT_EQ(running.end->reason, EndReason::kCancelled);
  EXPECT_EQ(running.ids.size(), before);
  EXPECT_EQ(waiting.end->reason, EndReason::kCancelled);
  EXPECT_FALSE(waiting.end->admitted_ns.has_value());
  EXPECT_FALSE(scheduler_->cancel(first));
  EXPECT_FALSE(scheduler_->cancel(77));
  // In the middle of its prompt: what was read is kept.
  const RequestId last = submit({.prompt = counted(250, 50), .most_tokens = 1}, reading);
  scheduler_->step();
  scheduler_->step();
  scheduler_->cancel(last);
  finish();
  EXPECT_EQ(reading.ids, Tokens());
  EXPECT_EQ(neighbour.ids, alone({.prompt = counted(20), .most_tokens = 12}));
  Told again;
  submit({.prompt = counted(250, 50), .most_tokens = 1}, again);
  finish();
  EXPECT_EQ(again.end->reused_tokens, 128);
}

// By a callback of the same pass.
TEST_F(Schedule, WhoIsCancelledIsToldNothingMore) {
  use({});
  Told canceller, cancelled;
  RequestId second = 0;
  TokenRequest request{.prompt = {1}, .most_tokens = 5};
  request.on_token = [&](const SampledToken& token) {
    if (token.index == 2) scheduler_->cancel(second);
    return true;
  };
  submit(std::move(request), canceller);
  second = submit({.prompt = {2}, .most_tokens = 5}, cancelled);
  finish();
  EXPECT_EQ(canceller.ids.size(), 5u);
  EXPECT_EQ(cancelled.ids.size(), 2u);
  EXPECT_EQ(cancelled.end->reason, EndReason::kCancelled);
}

TEST_F(Schedule, TwoThatWriteTheSameKeepOnePage) {
  use({});
  const TokenRequest request{.prompt = counted(100), .most_tokens = 60};
  Told first, second;
  submit(request, first);
  submit(request, second);
  while (first.ids.size() < 40) scheduler_->step();
  // Two pages are full, and each has one of its own that is not.
  EXPECT_EQ(pages(), 4);
  EXPECT_EQ(scheduler_->stats().cached_pages, 2);
  finish();
  EXPECT_EQ(first.ids, alone(request));
  EXPECT_EQ(second.ids, first.ids);
  EXPECT_EQ(pages(), 3);
}

TEST_F(Schedule, TimeoutsEndWaitingAndRunning) {
  use({.most_running = 1});
  Told running, waiting, patient;
  submit({.prompt = {1}, .most_tokens = 100, .timeout_ns = 500}, running);
  submit({.prompt = {2}, .most_tokens = 100, .timeout_ns = 400}, waiting);
  submit({.prompt = {3}, .most_tokens = 2}, patient);
  scheduler_->step();
  now_ns_ += 399;
  scheduler_->step();
  EXPECT_FALSE(waiting.end.has_value());
  EXPECT_EQ(scheduler_->stats().longest_wait_ns, 399);
  now_ns_ += 1;
  scheduler_->step();
  EXPECT_EQ(waiting.end->reason, EndReason::kTimeout);
  EXPECT_FALSE(running.end.has_value());
  now_ns_ += 100;
  finish();
  EXPECT_EQ(running.end->reason, EndReason::kTimeout);
  EXPECT_EQ(running.ids.size(), 3u);
  EXPECT_EQ(running.end->ended_ns - running.end->submitted_ns, 500);
  EXPECT_EQ(patient.end->reason, EndReason::kMostTokens);
  EXPECT_EQ(*patient.end->admitted_ns - patient.end->submitted_ns, 500);
  EXPECT_EQ(scheduler_->stats().waited_ns, 500);
}

TEST_F(Schedule, RequestsWaitForPages) {
  use({.most_running = 4, .page_limit = 4});
  Told big, other_big, small;
  submit({.prompt = counted(100), .most_tokens = 60}, big);             // 3 pages
  submit({.prompt = counted(100, 200), .most_tokens = 60}, other_big);  // 3 pages
  submit({.prompt = {7}, .most_tokens = 3}, small);                     // 1 page
  scheduler_->step();
  EXPECT_EQ(scheduler_->stats().running, 2);
  EXPECT_EQ(other_big.admitted, 0);
  while (scheduler_->step()) EXPECT_LE(pages(), 4);
  EXPECT_EQ(big.ids, alone({.prompt = counted(100), .most_tokens = 60}));
  EXPECT_EQ(other_big.ids, alone({.prompt = counted(100, 200), .most_tokens = 60}));
  EXPECT_EQ(small.ids, alone({.prompt = {7}, .most_tokens = 3}));
  EXPECT_GT(scheduler_->stats().evictions, 0);
}

// Small ones fit again and again, but not before the big one for ever.
TEST_F(Schedule, ABigRequestDoesNotStarve) {
  use({.most_running = 4, .most_overtakes = 3, .page_limit = 4});
  std::vector<Told> small(12);
  Told big;
  submit({.prompt = {1}, .most_tokens = 10}, small[0]);
  scheduler_->step();
  submit({.prompt = counted(200), .most_tokens = 40}, big);  // 4 pages
  for (size_t i = 1; i < small.size(); ++i)
    submit({.prompt = {static_cast<int32_t>(i)}, .most_tokens = 10}, small[i]);
  while (big.admitted == 0) ASSERT_TRUE(scheduler_->step());
  int64_t overtook = 0;
  for (const Told& each : small) overtook += each.admitted;
  EXPECT_EQ(overtook, 1 + 3);
  finish();
  for (const Told& each : small) EXPECT_TRUE(each.end.has_value());
}

TEST_F(Schedule, TheGreaterPriorityIsFirst) {
  use({.most_running = 1});
  std::vector<RequestId> order;
  const auto add = [&](int priority) {
    TokenRequest request{.prompt = {1}, .most_tokens = 1, .priority = priority};
    request.on_admitted = [&](RequestId id) { order.push_back(id); };
    ASSERT_TRUE(scheduler_->submit(std::move(request)).ok());
  };
  for (const int priority : {0, 5, -1, 5, 1}) add(priority);
  finish();
  EXPECT_EQ(order, (std::vector<RequestId>{2, 4, 5, 1, 3}));
}

TEST_F(Schedule, AFullLineAndAClosedSchedulerRefuse) {
  use({.most_running = 1, .most_waiting = 2});
  Told told[3];
  submit({.prompt = {1}, .most_tokens = 2}, told[0]);
  scheduler_->step();
  submit({.prompt = {1}, .most_tokens = 2}, told[1]);
  submit({.prompt = {1}, .most_tokens = 2}, told[2]);
  const auto refused = scheduler_->submit({.prompt = {1}});
  EXPECT_EQ(refused.status().code(), StatusCode::kOutOfMemory);
  EXPECT_EQ(refused.status().message(), "2 requests wait already, at most 2 may: try again later");
  scheduler_->close();
  EXPECT_EQ(scheduler_->submit({.prompt = {1}}).status().code(), StatusCode::kCancelled);
  scheduler_->run();
  for (const Told& each : told) EXPECT_EQ(each.end->reason, EndReason::kMostTokens);
}

TEST_F(Schedule, LogitsAreThoseOfALoneRun) {
  use({.most_prompt_rows = 7});
  const TokenRequest request{.prompt = counted(40), .most_tokens = 4, .wants_logits = true};
  Told told, earlier;
  submit({.prompt = counted(60), .most_tokens = 20}, earlier);
  for (int i = 0; i < 12; ++i) scheduler_->step();
  TokenRequest asking = request;
  asking.on_prompt_logits = [&](int64_t position, std::span<const float> logits) {
    EXPECT_EQ(position, std::ssize(told.prompt_logits));
    told.prompt_logits.emplace_back(logits.begin(), logits.end());
  };
  submit(asking, told);
  finish();
  EXPECT_EQ(told.end->reused_tokens, 0);
  auto session = make_session(executable_);
  std::vector<std::vector<float>> expected;
  Tokens all = request.prompt;
  all.insert(all.end(), told.ids.begin(), told.ids.end() - 1);
  ASSERT_TRUE(session
                  ->append_all_logits(all,
                                      [&](int64_t, std::span<const float> logits) {
                                        expected.emplace_back(logits.begin(), logits.end());
                                      })
                  .ok());
  std::vector<std::vector<float>> got = told.prompt_logits;
  ASSERT_EQ(told.logits.size(), 4u);
  EXPECT_EQ(told.logits[0], told.prompt_logits.back());
  got.insert(got.end(), told.logits.begin() + 1, told.logits.end());
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_EQ(std::memcmp(got[i].data(), expected[i].data(), kVocabulary * sizeof(float)), 0) << i;
}

TEST_F(Schedule, LogitsThatAreNotFiniteFailOneRequest) {
  use({});
  Told good, bad, bad_prompt;
  const TokenRequest request{.prompt = counted(30), .most_tokens = 8};
  submit(request, good);
  submit({.prompt = {5, kInfiniteToken}, .most_tokens = 8}, bad);
  TokenRequest asking{.prompt = {5, kInfiniteToken, 6}, .most_tokens = 8};
  int64_t told_positions = 0;
  asking.on_prompt_logits = [&](int64_t, std::span<const float>) { ++told_positions; };
  submit(asking, bad_prompt);
  finish();
  EXPECT_EQ(good.ids, alone(request));
  EXPECT_EQ(bad.end->reason, EndReason::kFailed);
  EXPECT_EQ(bad.end->status.code(), StatusCode::kDataCorrupt);
  EXPECT_EQ(bad.end->status.message(),
            "the logits at position 1 are not finite: the model's weights overflow");
  EXPECT_EQ(bad_prompt.end->reason, EndReason::kFailed);
  EXPECT_EQ(told_positions, 1);
  scheduler_->clear_cache();
  EXPECT_EQ(pages(), 0);
}

// Memory is refused below the limit of pages.
TEST_F(Schedule, RefusedMemoryCostsPrefixesThenTheLastRequest) {
  use({});
  Told earlier, first, last;
  submit({.prompt = counted(70, 90), .most_tokens = 1}, earlier);
  finish();
  EXPECT_EQ(pages(), 2);
  const TokenRequest request{.prompt = counted(70), .most_tokens = 5};
  submit(request, first);
  submit({.prompt = counted(70, 30), .most_tokens = 5}, last);
  executor_->refusals = 3;
  scheduler_->step();
  scheduler_->step();
  EXPECT_EQ(scheduler_->stats().evictions, 2);
  EXPECT_FALSE(last.end.has_value());
  finish();
  EXPECT_EQ(last.end->reason, EndReason::kFailed);
  EXPECT_EQ(last.end->status.message(), "refused");
  EXPECT_EQ(scheduler_->stats().refused_passes, 3);
  EXPECT_EQ(first.ids, alone(request));
  scheduler_->clear_cache();
  EXPECT_EQ(pages(), 0);
}

TEST_F(Schedule, TheEndOfTheSchedulerEndsItsRequests) {
  use({.most_running = 1});
  Told running, waiting, fresh;
  submit({.prompt = {1}, .most_tokens = 9}, running);
  submit({.prompt = {2}, .most_tokens = 9}, waiting);
  scheduler_->step();
  submit({.prompt = {3}, .most_tokens = 9}, fresh);
  scheduler_.reset();
  for (const Told* told : {&running, &waiting, &fresh})
    EXPECT_EQ(told->end->reason, EndReason::kCancelled);
  EXPECT_EQ(pages(), 0);
}

// A thread that serves, a conversation whose next turn is submitted by a callback.
TEST_F(Schedule, RunServesUntilItIsClosed) {
  use({});
  std::thread engine([&] { scheduler_->run(); });
  std::vector<Told> turns(4);
  std::function<void(size_t, Tokens)> take_turn = [&](size_t turn, const Tokens& prompt) {
    TokenRequest request = recorded({.prompt = prompt, .most_tokens = 4}, turns[turn]);
    request.on_end = [&, turn, prompt, record = request.on_end](const RequestEnd& end) {
      record(end);
      Tokens next = prompt;
      next.insert(next.end(), turns[turn].ids.begin(), turns[turn].ids.end());
      next.push_back(9);
      if (turn + 1 < turns.size()) {
        take_turn(turn + 1, next);
      } else {
        scheduler_->close();
      }
    };
    EXPECT_TRUE(scheduler_->submit(std::move(request)).ok());
  };
  take_turn(0, counted(60));
  engine.join();
  EXPECT_EQ(turns[3].ids.size(), 4u);
  EXPECT_EQ(turns[3].end->reused_tokens, 60 + 5 * 2 + 3);
  EXPECT_EQ(scheduler_->stats().ended, 4);
}

}  // namespace
}  // namespace bitnetc::test
