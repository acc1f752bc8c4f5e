#include "runtime/session.h"

#include <algorithm>

namespace bitnetc {
namespace {

// Where every row's logits are wanted, a pass has so few rows that these fit.
constexpr int64_t kAllLogitsBytes = int64_t{64} << 20;

}  // namespace

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Executable> executable,
                                                 const SessionOptions& options) {
  const ModelConfig& config = executable->model->description().config;
  if (options.chunk_tokens < 1)
    return make_error(StatusCode::kInvalidArgument, "chunk_tokens = {}, expected at least 1",
                      options.chunk_tokens);
  if (options.context_tokens < 0 || options.context_tokens > config.max_positions)
    return make_error(StatusCode::kInvalidArgument,
                      "context of {} tokens: this model was made for at most {}",
                      options.context_tokens, config.max_positions);
  SessionOptions complete = options;
  if (complete.context_tokens == 0) complete.context_tokens = config.max_positions;
  complete.chunk_tokens = static_cast<int>(std::min(
      {int64_t{options.chunk_tokens}, int64_t{kMaxTokensPerCall}, complete.context_tokens}));
  BITNETC_ASSIGN_OR_RETURN(
      auto executor, make_executor(std::move(executable), {.threads = options.threads,
                                                           .pin_threads = options.pin_threads,
                                                           .screen = options.screen,
                                                           .skip_neurons = options.skip_neurons,
                                                           .lock_pages = options.lock_pages}));
  return std::unique_ptr<Session>(new Session(std::move(executor), complete));
}

Session::Session(std::shared_ptr<Executor> executor, const SessionOptions& options)
    : executor_(std::move(executor)), options_(options), sequence_(executor_->pool()) {}

CpuExecutor& Session::cpu_executor() const {
  auto* const cpu = dynamic_cast<CpuExecutor*>(executor_.get());
  BITNETC_CHECK(cpu != nullptr, "steps are watched on a CPU only");
  return *cpu;
}

int64_t Session::vocab_size() const {
  return executor_->executable().model->description().config.vocab_size;
}

// All tokens, so that nothing is appended where one of them cannot be.
Status Session::check_tokens(std::span<const int32_t> tokens) const {
  const int64_t vocab = vocab_size();
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocab)
      return make_error(StatusCode::kInvalidArgument, "token {} has id {}, expected 0..{}", i,
                        tokens[i], vocab - 1);
  }
  const int64_t room = options_.context_tokens - position();
  if (static_cast<int64_t>(tokens.size()) > room)
    return make_error(StatusCode::kInvalidArgument,
                      "{} tokens do not fit: {} of {} positions of the context are taken",
                      tokens.size(), position(), options_.context_tokens);
  return {};
}

// The last needs.size() tokens of the pass need logits.
Status Session::run_chunk(std::span<const int32_t> tokens, std::span<const LogitsNeed> needs,
                          const CancelToken* cancel) {
  rows_.clear();
  first_scored_ = tokens.size() - needs.size();
  for (size_t i = 0; i < tokens.size(); ++i)
    rows_.push_back({.sequence = &sequence_,
                     .token = tokens[i],
                     .position = position() + static_cast<int64_t>(i),
                     .need = i < first_scored_ ? LogitsNeed() : needs[i - first_scored_]});
  logits_ = {};
  return executor_->run(rows_, cancel);
}

Status Session::append(std::span<const int32_t> tokens, const CancelToken* cancel,
                       const LogitsNeed& need) {
  BITNETC_RETURN_IF_ERROR(check_tokens(tokens));
  while (!tokens.empty()) {
    const auto chunk =
        tokens.first(std::min(tokens.size(), static_cast<size_t>(options_.chunk_tokens)));
    tokens = tokens.subspan(chunk.size());
    const bool is_last = tokens.empty();
    BITNETC_RETURN_IF_ERROR(run_chunk(chunk, {&need, is_last ? 1U : 0U}, cancel));
    if (is_last) logits_ = scores().logits;
  }
  return {};
}

Status Session::append_each(std::span<const int32_t> tokens, std::span<const LogitsNeed> needs,
                            const CancelToken* cancel) {
  BITNETC_CHECK(tokens.size() == needs.size() && std::ssize(tokens) <= options_.chunk_tokens,
                "{} tokens with {} needs in a pass of {}", tokens.size(), needs.size(),
                options_.chunk_tokens);
  BITNETC_RETURN_IF_ERROR(check_tokens(tokens));
  return run_chunk(tokens, needs, cancel);
}

Status Session::complete() {
  logits_ = {};
  BITNETC_RETURN_IF_ERROR(executor_->complete());
  logits_ = scores(rows_.size() - first_scored_ - 1).logits;
  return {};
}

Status Session::append_all_logits(std::span<const int32_t> tokens,
                                  const std::function<void(int64_t, std::span<const float>)>& visit,
                                  const CancelToken* cancel) {
  BITNETC_RETURN_IF_ERROR(check_tokens(tokens));
  const int64_t columns = executor_->executable().model->description().config.output_columns();
  const int64_t fitting = std::max<int64_t>(1, kAllLogitsBytes / (columns * 4));
  const auto most = static_cast<size_t>(std::min<int64_t>(options_.chunk_tokens, fitting));
  const std::vector<LogitsNeed> needs(std::min(most, tokens.size()),
                                      {.kind = LogitsNeed::Kind::kAll});
  while (!tokens.empty()) {
    const auto chunk = tokens.first(std::min(tokens.size(), most));
    tokens = tokens.subspan(chunk.size());
    const int64_t first = position();
    BITNETC_RETURN_IF_ERROR(run_chunk(chunk, std::span(needs).first(chunk.size()), cancel));
    for (size_t i = 0; i < chunk.size(); ++i) {
      logits_ = scores(i).logits;
      visit(first + static_cast<int64_t>(i), logits_);
    }
  }
  return {};
}

std::unique_ptr<Session> Session::fork() const {
  std::unique_ptr<Session> fork(new Session(executor_, options_));
  fork->sequence_ = sequence_.fork();
  return fork;
}

}  // namespace bitnetc
