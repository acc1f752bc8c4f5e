// A tiny random model for tests of the scheduler, what a request gives when it runs alone, and a
// record of what a scheduler said to it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "compiler/compile.h"
#include "frontend/load.h"
#include "runtime/cpu_features.h"
#include "runtime/scheduler.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {

using Tokens = std::vector<int32_t>;

// What a request was told.
struct Told {
  Tokens ids;
  std::vector<std::vector<float>> logits;         // by token, where they are wanted
  std::vector<std::vector<float>> prompt_logits;  // by position, where they are wanted
  int admitted = 0;
  std::optional<RequestEnd> end;
};

// `request`, which goes on or declines as it did and tells `told` of everything.
inline TokenRequest recorded(TokenRequest request, Told& told) {
  request.on_admitted = [&told](RequestId) { ++told.admitted; };
  request.on_token = [&told, declines = request.on_token](const SampledToken& token) {
    EXPECT_EQ(token.index, std::ssize(told.ids));
    EXPECT_FALSE(told.end.has_value());
    told.ids.push_back(token.id);
    if (!token.logits.empty()) told.logits.emplace_back(token.logits.begin(), token.logits.end());
    return !declines || declines(token);
  };
  request.on_end = [&told](const RequestEnd& end) {
    EXPECT_FALSE(told.end.has_value()) << "request " << end.request << " ends twice";
    told.end = end;
  };
  return request;
}

class ScheduleFixture : public testing::Test {
 protected:
  // Behind the last of these ids no logits are finite.
  static constexpr int64_t kVocabulary = 320, kContext = 256;
  static constexpr int32_t kInfiniteToken = 319;

  static void SetUpTestSuite() {
    TempFolder folder;
    const ModelShape shape{.vocab = kVocabulary, .max_positions = kContext, .tied_head = false};
    write_model(make_packed_model(shape, 5), folder.path() / "model");
    auto loaded = load_model((folder.path() / "model").string());
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    // No file may hold this row.
    FloatTable& table = loaded->graph.tables.front();
    ASSERT_EQ(table.type, FloatType::kBf16);
    std::vector<uint8_t> bytes(table.bytes.begin(), table.bytes.end());
    for (int64_t i = 0; i < table.columns; ++i) {
      const uint16_t infinity = 0x7f80;
      std::memcpy(&bytes[static_cast<size_t>(kInfiniteToken * table.columns + i) * 2], &infinity,
                  2);
    }
    table.bytes = bytes;
    const HeuristicPlanSource plans;
    const auto report = compile(loaded->graph, folder.file("model.bnc"),
                                {.target = host_target(), .plans = &plans});
    ASSERT_TRUE(report.ok()) << report.status().message();
    executable_ = link_file(folder.file("model.bnc"), host_target());
  }
  static void TearDownTestSuite() { executable_.reset(); }

  static std::shared_ptr<CpuExecutor> make_executor(int threads = 1, int64_t page_limit = 0) {
    return *CpuExecutor::create(executable_, {.threads = threads, .page_limit = page_limit});
  }
  static std::unique_ptr<Scheduler> make_scheduler(std::shared_ptr<Executor> executor,
                                                   const SchedulerOptions& options) {
    auto scheduler = Scheduler::create(std::move(executor), options);
    EXPECT_TRUE(scheduler.ok()) << scheduler.status().message();
    return std::move(*scheduler);
  }

  // The ids of a request that has the model for itself, token by token.
  static Tokens alone(const TokenRequest& request) {
    auto session = make_session(executable_);
    Sampler sampler(request.sampling);
    Tokens history = request.prompt, ids;
    const auto room = kContext - std::ssize(history) + 1;
    const int64_t most = request.most_tokens.value_or(room);
    Status status = session->append(history);
    while (std::ssize(ids) < most) {
      if (status.code() == StatusCode::kDataCorrupt) break;  // behind kInfiniteToken
      EXPECT_TRUE(status.ok()) << status.message();
      ids.push_back(*sampler.sample(session->scores(), history));
      history.push_back(ids.back());
      if (std::ranges::find(request.stop_ids, ids.back()) != request.stop_ids.end()) break;
      if (std::ssize(ids) < most) status = session->append(std::span(history).last(1));
    }
    return ids;
  }

  static std::shared_ptr<const Executable> executable_;
};
inline std::shared_ptr<const Executable> ScheduleFixture::executable_;

}  // namespace bitnetc::test
