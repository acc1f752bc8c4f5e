// An engine that writes what a test says.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tools/serve/engine/token_engine.h"

namespace bitnetc::serve::test {

class FakeEngine final : public TokenEngine {
 public:
  FakeEngine() : thread_([this] { run(); }) {}
  ~FakeEngine() override {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::vector<int32_t> script;           // what every request is told, token by token
  Status failure;                        // how a request ends behind the script; ok: it stops
  std::optional<EndReason> end_instead;  // of whatever the script leads to
  bool holds = false;                    // behind the script requests wait to be cancelled
  Status refusal;                        // of submit()
  std::vector<TokenRequest> seen;        // read when the answers are there

  // Of every position: the id that comes next is the likeliest, then ids from 0 on.
  static std::vector<float> logits_for(int32_t next) {
    std::vector<float> logits(4096);
    for (size_t id = 0; id < logits.size(); ++id) logits[id] = -static_cast<float>(id) / 512;
    logits[static_cast<size_t>(next)] = 3;
    return logits;
  }

  Result<RequestId> submit(TokenRequest request, bool) override {
    if (!refusal.ok()) return refusal;
    const std::lock_guard lock(mutex_);
    seen.push_back(request);
    seen.back().on_admitted = nullptr;  // what it calls lives no longer than the request
    seen.back().on_token = nullptr;
    seen.back().on_end = nullptr;
    seen.back().on_prompt_logits = nullptr;
    waiting_.push_back({++last_, std::move(request)});
    changed_.notify_all();
    return last_;
  }
  void cancel(RequestId request) override {
    const std::lock_guard lock(mutex_);
    cancelled_.insert(request);
    changed_.notify_all();
  }
  bool has_cancelled(RequestId request) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return cancelled_.contains(request); });
  }
  Status embed(EmbeddingJob job) override {
    std::vector<std::vector<float>> vectors;
    for (const TextIds& each : job.texts)
      vectors.push_back({static_cast<float>(each.size()), 0.5f, -1.0f});
    job.on_end(std::move(vectors));
    return {};
  }
  SchedulerStats stats() const override { return {.page_limit = 8}; }
  void cancel_all() override {}
  int64_t last_sign_of_life_ns() const override {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  }

 private:
  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_closed_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const auto [id, request] = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      play(id, request);
    }
  }
  void play(RequestId id, const TokenRequest& request) {
    if (request.on_admitted) request.on_admitted(id);
    for (size_t at = 0; request.on_prompt_logits && at < request.prompt.size(); ++at)
      request.on_prompt_logits(static_cast<int64_t>(at), logits_for(static_cast<int32_t>(at)));
    RequestEnd end{.request = id,
                   .reason = EndReason::kMostTokens,
                   .prompt_tokens = std::ssize(request.prompt),
                   .reused_tokens = 1,
                   .admitted_ns = 1};
    for (const int32_t token : script) {
      if (request.most_tokens && end.tokens >= *request.most_tokens) break;
      const auto logits = logits_for(token);
      const bool is_stop = std::ranges::count(request.stop_ids, token) > 0;
      const bool goes_on =
          request.on_token({.request = id,
                            .id = token,
                            .index = end.tokens++,
                            .is_stop = is_stop,
                            .logits = request.wants_logits ? std::span<const float>(logits)
                                                           : std::span<const float>()});
      if (is_stop || !goes_on) {
        end.reason = is_stop ? EndReason::kStopId : EndReason::kDeclined;
        break;
      }
    }
    if (holds && has_cancelled(id)) end.reason = EndReason::kCancelled;
    if (end_instead) end.reason = *end_instead;
    if (!failure.ok()) end.reason = EndReason::kFailed;
    end.status = failure;
    request.on_end(end);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<RequestId, TokenRequest>> waiting_;
  std::set<RequestId> cancelled_;
  RequestId last_ = 0;
  bool is_closed_ = false;
  std::thread thread_;
};

}  // namespace bitnetc::serve::test
