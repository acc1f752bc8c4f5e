#include "tools/serve/engine/model_engine.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>

namespace bitnetc::serve {
namespace {

int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

class TextEngine final : public TokenEngine {
 public:
  TextEngine(std::unique_ptr<Scheduler> scheduler, int64_t most_waiting)
      : most_waiting_(most_waiting),
        scheduler_(std::move(scheduler)),
        thread_([this] { scheduler_->run(); }) {}
  ~TextEngine() override {
    scheduler_->cancel_all();
    scheduler_->close();
    thread_.join();
  }

  Result<RequestId> submit(TokenRequest request, bool is_first) override {
    if (is_first && scheduler_->stats().waiting >= most_waiting_)
      return make_error(StatusCode::kOutOfMemory, "{} requests wait", most_waiting_);
    return scheduler_->submit(std::move(request));
  }
  void cancel(RequestId request) override { scheduler_->cancel(request); }
  Status embed(EmbeddingJob) override {
    return Status(StatusCode::kUnsupported, "the model writes text; it is no text encoder");
  }
  SchedulerStats stats() const override { return scheduler_->stats(); }
  void cancel_all() override { scheduler_->cancel_all(); }

  // A thread without requests waits for some; one with requests finishes passes.
  int64_t last_sign_of_life_ns() const override {
    const SchedulerStats stats = scheduler_->stats();
    const std::lock_guard lock(mutex_);
    const bool is_idle = stats.running + stats.waiting == 0;
    if (is_idle || stats.passes + stats.ended != last_progress_) {
      last_progress_ = stats.passes + stats.ended;
      last_sign_ns_ = now_ns();
    }
    return last_sign_ns_;
  }

 private:
  const int64_t most_waiting_;
  const std::unique_ptr<Scheduler> scheduler_;
  mutable std::mutex mutex_;
  mutable int64_t last_progress_ = -1, last_sign_ns_ = 0;
  std::thread thread_;
};

class EncoderEngine final : public TokenEngine {
 public:
  EncoderEngine(std::shared_ptr<Executor> executor, Pooling pooling, int64_t most_waiting)
      : executor_(std::move(executor)),
        pooling_(pooling),
        most_waiting_(most_waiting),
        thread_([this] { run(); }) {}
  ~EncoderEngine() override {
    cancel_all();
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  Result<RequestId> submit(TokenRequest, bool) override {
    return Status(StatusCode::kInvalidArgument, "the model is a text encoder and writes no text");
  }
  void cancel(RequestId) override {}
  Status embed(EmbeddingJob job) override {
    {
      const std::lock_guard lock(mutex_);
      if (std::ssize(jobs_) >= most_waiting_)
        return make_error(StatusCode::kOutOfMemory, "{} requests wait", most_waiting_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
    return {};
  }
  SchedulerStats stats() const override {
    const std::lock_guard lock(mutex_);
    return {.waiting = std::ssize(jobs_), .running = current_ ? 1 : 0};
  }
  void cancel_all() override {
    const std::lock_guard lock(mutex_);
    for (const EmbeddingJob& each : jobs_) each.is_cancelled->store(true);
    if (current_) current_->store(true);
  }
  int64_t last_sign_of_life_ns() const override { return now_ns(); }

 private:
  void run() {
    while (std::optional<EmbeddingJob> job = take()) {
      std::vector<std::vector<float>> vectors;
      const Status status = embed_texts(
          *executor_, job->texts, pooling_,
          [&](size_t, std::vector<float> vector) { vectors.push_back(std::move(vector)); },
          job->is_cancelled.get());
      if (status.ok())
        job->on_end(std::move(vectors));
      else
        job->on_end(status);
      const std::lock_guard lock(mutex_);
      current_ = nullptr;
    }
  }
  std::optional<EmbeddingJob> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_closed_ || !jobs_.empty(); });
    if (jobs_.empty()) return std::nullopt;
    EmbeddingJob job = std::move(jobs_.front());
    jobs_.pop_front();
    current_ = job.is_cancelled;
    return job;
  }

  const std::shared_ptr<Executor> executor_;
  const Pooling pooling_;
  const int64_t most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<EmbeddingJob> jobs_;
  std::shared_ptr<std::atomic<bool>> current_;
  bool is_closed_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<TokenEngine>> make_model_engine(std::shared_ptr<Executor> executor,
                                                       const ModelEngineOptions& options) {
  const int64_t most_waiting = options.scheduler.most_waiting;
  if (executor->executable().model->description().config.output == ModelOutput::kHidden)
    return std::unique_ptr<TokenEngine>(
        std::make_unique<EncoderEngine>(std::move(executor), options.pooling, most_waiting));
  SchedulerOptions scheduler_options = options.scheduler;
  scheduler_options.most_waiting = std::numeric_limits<int32_t>::max();
  BITNETC_ASSIGN_OR_RETURN(auto scheduler,
                           Scheduler::create(std::move(executor), scheduler_options));
  return std::unique_ptr<TokenEngine>(
      std::make_unique<TextEngine>(std::move(scheduler), most_waiting));
}

}  // namespace bitnetc::serve
