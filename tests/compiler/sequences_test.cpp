// Sequences in one executor: whatever shares a pass, however often a sequence is forked or
// shortened, every row's logits are those of its tokens run alone, bit by bit.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <thread>

#include "runtime/cpu_features.h"
#include "runtime/executor.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

using Tokens = std::vector<int32_t>;
using Logits = std::vector<float>;

constexpr int64_t kVocabulary = 320, kContext = 192;

class Sequences : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    write_model(make_packed_model({.max_positions = kContext}, 5), folder_->path() / "model");
    compile_folder((folder_->path() / "model").string(), folder_->file("model.bnc"), host_target());
    executable_ = link_file(folder_->file("model.bnc"), host_target());
  }
  static void TearDownTestSuite() {
    executable_.reset();
    folder_.reset();
  }

  static std::unique_ptr<CpuExecutor> make_executor(int threads, int64_t page_limit = 0) {
    return *CpuExecutor::create(executable_, {.threads = threads, .page_limit = page_limit});
  }

  // Of the last of `tokens`, run alone and one after the other.
  static const Logits& alone(const Tokens& tokens) {
    static std::map<Tokens, Logits> known;
    Logits& logits = known[tokens];
    if (!logits.empty()) return logits;
    auto session = make_session(executable_);
    const Status status = session->append(tokens);
    EXPECT_TRUE(status.ok()) << status.message();
    return logits = {session->logits().begin(), session->logits().end()};
  }

  static std::unique_ptr<TempFolder> folder_;
  static std::shared_ptr<const Executable> executable_;
};
std::unique_ptr<TempFolder> Sequences::folder_;
std::shared_ptr<const Executable> Sequences::executable_;

bool same_bits(std::span<const float> a, const Logits& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// What a sequence should hold.
struct Tracked {
  Sequence sequence;
  Tokens tokens;
};

// Random batches over eight sequences, with forks and truncations between them.
void run_random_batches(CpuExecutor& executor, uint32_t seed, int batches,
                        const std::function<const Logits&(const Tokens&)>& alone) {
  std::mt19937 random(seed);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  std::vector<Tracked> all;
  for (int i = 0; i < 8; ++i) all.push_back({Sequence(executor.pool()), {}});
  for (int batch = 0; batch < batches; ++batch) {
    if (below(3) == 0) {
      Tracked& victim = all[below(all.size())];
      const Tracked& source = all[below(all.size())];
      if (&victim != &source) victim = {source.sequence.fork(), source.tokens};
    }
    if (below(3) == 0) {
      Tracked& each = all[below(all.size())];
      const size_t length = below(each.tokens.size() + 1);
      each.sequence.truncate(static_cast<int64_t>(length));
      each.tokens.resize(length);
    }
    std::vector<BatchRow> rows;
    std::vector<Tokens> expected;  // by row; empty: not scored
    for (size_t run = 0, runs = 1 + below(6); run < runs; ++run) {
      Tracked& each = all[below(all.size())];
      for (size_t n = 1 + below(9); n > 0 && each.tokens.size() < kContext; --n) {
        each.tokens.push_back(static_cast<int32_t>(below(kVocabulary)));
        const bool scored = below(4) == 0;
        rows.push_back(
            {.sequence = &each.sequence,
             .token = each.tokens.back(),
             .position = static_cast<int64_t>(each.tokens.size()) - 1,
             .need = {.kind = scored ? LogitsNeed::Kind::kAll : LogitsNeed::Kind::kNone}});
        expected.push_back(scored ? each.tokens : Tokens());
      }
    }
    if (rows.empty()) continue;
    const Status status = executor.run(rows);
    ASSERT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < rows.size(); ++i) {
      if (expected[i].empty()) continue;
      ASSERT_TRUE(same_bits(executor.scores(i).logits, alone(expected[i])))
          << "seed " << seed << ", batch " << batch << ", row " << i << " of " << rows.size();
    }
  }
}

TEST_F(Sequences, EveryMixtureGivesTheBitsOfALoneRun) {
  for (const int threads : {1, 2, 3}) {
    const auto executor = make_executor(threads);
    run_random_batches(*executor, static_cast<uint32_t>(threads), 60,
                       [](const Tokens& tokens) -> const Logits& { return alone(tokens); });
  }
}

// Forks copy pages, scales included, whatever keys and values are.
TEST_F(Sequences, EveryMixtureOfEachTypeOfKeysAndValues) {
  for (const KvType type : {KvType::kF32, KvType::kI8}) {
    const auto executable = link_file(folder_->file("model.bnc"), host_target(), nullptr, type);
    EXPECT_EQ(executable->kv.type, type);
    std::map<Tokens, Logits> known;
    const auto alone_of_type = [&](const Tokens& tokens) -> const Logits& {
      Logits& logits = known[tokens];
      if (!logits.empty()) return logits;
      auto session = make_session(executable);
      EXPECT_TRUE(session->append(tokens).ok());
      return logits = {session->logits().begin(), session->logits().end()};
    };
    const auto executor = *CpuExecutor::create(executable, {.threads = 2});
    run_random_batches(*executor, 4, 60, alone_of_type);
    EXPECT_NE(alone_of_type({1, 2, 3}), alone({1, 2, 3}));
  }
}

// One executable, an executor per thread.
TEST_F(Sequences, ExecutorsOnSeveralThreadsDoNotMeet) {
  std::vector<std::thread> threads;
  std::vector<Logits> got(3);
  for (size_t i = 0; i < got.size(); ++i)
    threads.emplace_back([&, i] {
      const auto executor = make_executor(2);
      Sequence sequence(executor->pool());
      for (int32_t token = 0; token < 20; ++token) {
        const BatchRow row{.sequence = &sequence,
                           .token = token,
                           .position = token,
                           .need = {.kind = LogitsNeed::Kind::kAll}};
        ASSERT_TRUE(executor->run({&row, 1}).ok());
      }
      const auto logits = executor->scores(0).logits;
      got[i] = {logits.begin(), logits.end()};
    });
  for (std::thread& thread : threads) thread.join();
  for (const Logits& logits : got) EXPECT_TRUE(same_bits(logits, got[0]));
}

TEST_F(Sequences, MemoryFollowsUse) {
  const auto executor = make_executor(1);
  Sequence sequence(executor->pool());
  const auto append = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const BatchRow row{.sequence = &sequence, .token = 7, .position = sequence.length()};
      ASSERT_TRUE(executor->run({&row, 1}).ok());
    }
  };
  append(64);
  EXPECT_EQ(executor->pool()->pages_in_use(), 1);
  append(1);
  EXPECT_EQ(executor->pool()->pages_in_use(), 2);
  Sequence fork = sequence.fork();
  EXPECT_EQ(executor->pool()->pages_in_use(), 2);  // shared
  append(1);                                       // copies the page that is written to
  EXPECT_EQ(executor->pool()->pages_in_use(), 3);
  fork.truncate(0);
  sequence.truncate(64);
  EXPECT_EQ(executor->pool()->pages_in_use(), 1);
}

// Behind the same tokens a page is as good from another sequence, whole or in part.
TEST_F(Sequences, PagesOfOthersAreAdopted) {
  const auto executor = make_executor(1);
  const auto append = [&](Sequence& sequence, const Tokens& tokens) {
    std::vector<BatchRow> rows;
    for (const int32_t token : tokens)
      rows.push_back({.sequence = &sequence,
                      .token = token,
                      .position = sequence.length() + std::ssize(rows)});
    rows.back().need.kind = LogitsNeed::Kind::kAll;
    ASSERT_TRUE(executor->run(rows).ok());
  };
  Tokens tokens;
  for (int32_t i = 0; i < 100; ++i) tokens.push_back(i % 7);
  Sequence first(executor->pool()), second(executor->pool()), same(executor->pool());
  append(first, tokens);
  second.adopt(first.page(0), KvLayout::kPagePositions);
  second.adopt(first.page(1), 20);
  EXPECT_EQ(second.length(), 84);
  EXPECT_EQ(executor->pool()->pages_in_use(), 2);
  append(second, {300});  // into a copy
  Tokens with_other(tokens.begin(), tokens.begin() + 84);
  with_other.push_back(300);
  EXPECT_TRUE(same_bits(executor->scores(0).logits, alone(with_other)));
  EXPECT_EQ(executor->pool()->pages_in_use(), 3);

  append(same, tokens);
  same.replace_page(0, first.page(0));
  EXPECT_EQ(executor->pool()->pages_in_use(), 4);
  tokens.push_back(9);
  for (Sequence* sequence : {&first, &same}) {
    append(*sequence, {9});
    EXPECT_TRUE(same_bits(executor->scores(0).logits, alone(tokens)));
  }
}

TEST_F(Sequences, AFullPoolIsSaidAndChangesNothing) {
  const auto executor = make_executor(1, 1);
  Sequence first(executor->pool()), second(executor->pool());
  const BatchRow one{.sequence = &first, .token = 1, .position = 0};
  ASSERT_TRUE(executor->run({&one, 1}).ok());
  const BatchRow other{.sequence = &second, .token = 1, .position = 0};
  const Status status = executor->run({&other, 1});
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_NE(status.message().find("all 1 pages"), std::string::npos) << status.message();
  EXPECT_EQ(second.length(), 0);
  EXPECT_EQ(first.length(), 1);
}

TEST_F(Sequences, ACancelledPassAppendsNothing) {
  const auto executor = make_executor(2);
  Sequence sequence(executor->pool());
  CancelToken cancel = true;
  const BatchRow row{.sequence = &sequence, .token = 1, .position = 0};
  EXPECT_EQ(executor->run({&row, 1}, &cancel).code(), StatusCode::kCancelled);
  EXPECT_EQ(sequence.length(), 0);
  // Set while a pass runs, again and again: either all of it happened or nothing.
  for (int round = 0; round < 20; ++round) {
    cancel = false;
    std::vector<BatchRow> rows;
    for (int64_t i = 0; i < 100; ++i)
      rows.push_back({.sequence = &sequence, .token = 1, .position = i});
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(50 * round));
      cancel = true;
    });
    const Status status = executor->run(rows, &cancel);
    canceller.join();
    EXPECT_EQ(sequence.length(), status.ok() ? 100 : 0) << status.message();
    sequence.truncate(0);
  }
  const BatchRow scored{
      .sequence = &sequence, .token = 1, .position = 0, .need = {.kind = LogitsNeed::Kind::kAll}};
  ASSERT_TRUE(executor->run({&scored, 1}).ok());
  EXPECT_TRUE(same_bits(executor->scores(0).logits, alone({1})));
}

TEST_F(Sequences, TheTopIsThere) {
  const auto executor = make_executor(2);
  Sequence sequence(executor->pool());
  const BatchRow row{.sequence = &sequence,
                     .token = 5,
                     .position = 0,
                     .need = {.kind = LogitsNeed::Kind::kTop, .k = 3}};
  ASSERT_TRUE(executor->run({&row, 1}).ok());
  const Scores top = executor->scores(0);
  const Logits& all = alone({5});
  if (top.ids.empty()) {  // the head was read in full
    EXPECT_TRUE(same_bits(top.logits, all));
    return;
  }
  Logits found(top.logits.begin(), top.logits.end()), sorted = all;
  ASSERT_GE(found.size(), 3u);
  std::ranges::sort(found, std::greater<>());
  std::ranges::sort(sorted, std::greater<>());
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(found[i], sorted[i]);
  for (size_t i = 0; i < top.ids.size(); ++i)
    EXPECT_EQ(all[static_cast<size_t>(top.ids[i])], top.logits[i]);
}

TEST_F(Sequences, RowsThatCannotBeAreRefused) {
  const auto executor = make_executor(1);
  Sequence sequence(executor->pool());
  const auto message = [&](std::vector<BatchRow> rows) { return executor->run(rows).message(); };
  EXPECT_EQ(message({}), "a batch of 0 rows, expected 1..256");
  EXPECT_EQ(message({{.sequence = &sequence, .token = 320, .position = 0}}),
            "token 0 has id 320, expected 0..319");
  EXPECT_EQ(message({{.sequence = &sequence, .token = 1, .position = 3}}),
            "token 0 is for position 3, but its sequence goes on at 0");
  EXPECT_EQ(sequence.length(), 0);
}

}  // namespace
}  // namespace bitnetc::test
