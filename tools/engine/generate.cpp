#include "tools/engine/generate.h"

#include <algorithm>

#include "tools/engine/draft.h"
#include "tools/engine/stopwatch.h"

namespace bitnetc {

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kMaxTokens: return "token limit";
    case StopReason::kEndOfText: return "end of text";
    case StopReason::kStopString: return "stop string";
    case StopReason::kContextFull: return "context full";
    case StopReason::kInterrupted: return "interrupted";
  }
  return "?";
}

StopMatcher::StopMatcher(std::vector<std::string> stop_strings)
    : stop_strings_(std::move(stop_strings)) {
  std::erase(stop_strings_, "");
}

std::string StopMatcher::push(std::string_view text) {
  if (matched()) return {};
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stop_strings_) {
    if (const size_t at = held_.find(stop); at < first) {
      first = at;
      match_ = stop;
    }
  }
  if (matched()) return held_.substr(0, first);
  // The longest tail of `held_` that begins a stop string must wait.
  size_t waiting = 0;
  for (const std::string& stop : stop_strings_) {
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > waiting; --length) {
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) waiting = length;
    }
  }
  std::string ready = held_.substr(0, held_.size() - waiting);
  held_.erase(0, ready.size());
  return ready;
}

std::string StopMatcher::finish() {
  return matched() ? std::string() : std::exchange(held_, {});
}

namespace {

class Generation {
 public:
  Generation(Session& session, const Tokenizer& tokenizer, const GenerationRequest& request,
             const std::function<bool(std::string_view)>& on_text, const CancelToken& cancel)
      : session_(session),
        request_(request),
        on_text_(on_text),
        cancel_(cancel),
        sampler_(request.sampling),
        decoder_(tokenizer),
        matcher_(request.stop_strings),
        draft_length_(request.most_drafts),
        history_(request.prompt_ids) {}

  Result<GenerationResult> run();

 private:
  Status read_prompt();
  Status extend();
  Status run_pass(std::span<const int32_t> tokens);
  Result<int32_t> choose(size_t row);
  bool take(int32_t id);
  void stop(StopReason reason) {
    result_.stop_reason = reason;
    stopped_ = true;
  }
  Sampler::End filter_end() const { return sampler_.end(session_.vocab_size()); }
  bool is_full() const { return static_cast<int>(result_.ids.size()) == request_.max_tokens; }
  void find_needs();
  void guess();
  void show(const std::string& text) {
    result_.text += text;
    if (is_wanted_ && !text.empty()) is_wanted_ = on_text_(text);
  }

  Session& session_;
  const GenerationRequest& request_;
  const std::function<bool(std::string_view)>& on_text_;
  const CancelToken& cancel_;
  Sampler sampler_;
  StreamDecoder decoder_;
  StopMatcher matcher_;
  DraftLength draft_length_;
  GenerationResult result_;
  std::vector<int32_t> history_;  // prompt and text, guesses not included
  std::vector<int32_t> drafts_;   // guesses for what comes next
  std::vector<std::vector<int32_t>> need_ids_;
  std::vector<LogitsNeed> needs_;
  bool stopped_ = false;
  bool is_wanted_ = true;  // as on_text_ says
};

// Of the token that is fed and of each guess.
void Generation::find_needs() {
  need_ids_.clear();
  needs_.clear();
  std::vector<int32_t> tokens = history_;
  for (size_t i = 0; i <= drafts_.size(); ++i) {
    if (i > 0) tokens.push_back(drafts_[i - 1]);
    LogitsNeed need = sampler_.need(tokens, session_.vocab_size());
    need_ids_.emplace_back(need.ids.begin(), need.ids.end());
    needs_.push_back(need);
  }
  for (size_t i = 0; i < needs_.size(); ++i) needs_[i].ids = need_ids_[i];
  const bool all = request_.keep_prompt_logits && result_.ids.empty();
  if (all) needs_[0] = {.kind = LogitsNeed::Kind::kAll};
}

// As many as fit in a pass, in the context and in the text that is wanted.
void Generation::guess() {
  const int64_t room =
      std::min({int64_t{session_.chunk_tokens()}, session_.context_tokens() - session_.position(),
                request_.max_tokens - std::ssize(result_.ids)});
  const int64_t most = std::min<int64_t>(draft_length_.choose(), room - 1);
  drafts_ = most > 0 ? guess_next(history_, static_cast<size_t>(most)) : std::vector<int32_t>();
  drafts_.resize(sampler_.allowed_guesses(drafts_));
}

Status Generation::read_prompt() {
  const Stopwatch watch;
  find_needs();
  const auto missing =
      std::span(request_.prompt_ids).subspan(static_cast<size_t>(session_.position()));
  BITNETC_RETURN_IF_ERROR(session_.append(missing, &cancel_, needs_[0]));
  result_.prompt_seconds = watch.seconds();
  if (request_.keep_prompt_logits)
    result_.prompt_logits.assign(session_.logits().begin(), session_.logits().end());
  return {};
}

// From the logits that were computed, or from all where those do not decide.
Result<int32_t> Generation::choose(size_t row) {
  if (filter_end() == Sampler::End::kStuck) return Sampler::stuck_status();
  if (const auto id = sampler_.sample(session_.scores(row), history_)) return *id;
  BITNETC_RETURN_IF_ERROR(session_.complete());
  return *sampler_.sample(session_.scores(row), history_);
}

// Whether the text goes on behind `id`.
bool Generation::take(int32_t id) {
  result_.ids.push_back(id);
  history_.push_back(id);
  if (std::ranges::find(request_.stop_ids, id) != request_.stop_ids.end()) {
    stop(StopReason::kEndOfText);
    return false;
  }
  show(matcher_.push(decoder_.push(id)));
  if (matcher_.matched()) {
    stop(StopReason::kStopString);
  } else if (!is_wanted_) {
    stop(StopReason::kInterrupted);
  } else if (filter_end() == Sampler::End::kEnds) {
    stop(StopReason::kEndOfText);
  }
  return !stopped_ && !is_full();
}

// Feeds the last token and the guesses.
Status Generation::run_pass(std::span<const int32_t> tokens) {
  find_needs();
  const int64_t before = session_.position();
  Status status = session_.append_each(tokens, needs_, &cancel_);
  // A wrong guess may lead to logits that are not finite where the text does not.
  if (status.code() != StatusCode::kDataCorrupt || drafts_.empty()) return status;
  session_.truncate(before);
  drafts_.clear();
  find_needs();
  return session_.append_each(tokens.first(1), needs_, &cancel_);
}

// One pass: the next token, and those behind it that were guessed.
Status Generation::extend() {
  const Stopwatch watch;
  guess();
  std::vector<int32_t> tokens = {history_.back()};
  tokens.insert(tokens.end(), drafts_.begin(), drafts_.end());
  const int64_t before = session_.position();
  BITNETC_RETURN_IF_ERROR(run_pass(tokens));
  const double seconds = watch.seconds();
  size_t right = 0;
  for (bool goes_on = true; goes_on;) {
    BITNETC_ASSIGN_OR_RETURN(const int32_t id, choose(right));
    goes_on = take(id) && right < drafts_.size() && id == drafts_[right];
    if (goes_on) ++right;
  }
  session_.truncate(before + 1 + static_cast<int64_t>(right));
  draft_length_.add(static_cast<int>(drafts_.size()), static_cast<int>(right), seconds);
  ++result_.decode_passes;
  result_.decode_tokens += 1 + static_cast<int>(right);
  result_.guessed += static_cast<int>(drafts_.size());
  result_.guessed_right += static_cast<int>(right);
  return {};
}

Result<GenerationResult> Generation::run() {
  const Stopwatch since_start;
  Status status = read_prompt();
  if (status.ok() && filter_end() == Sampler::End::kEnds) {
    stop(StopReason::kEndOfText);
  } else if (status.ok() && request_.max_tokens > 0) {
    BITNETC_ASSIGN_OR_RETURN(const int32_t first, choose(0));
    result_.first_token_seconds = since_start.seconds();
    const Stopwatch since_first_token;
    bool goes_on = take(first);
    while (goes_on && status.ok()) {
      if (session_.position() == session_.context_tokens()) {
        stop(StopReason::kContextFull);
        break;
      }
      status = extend();
      goes_on = !stopped_ && !is_full();
      if (status.ok()) result_.decode_seconds = since_first_token.seconds();
    }
  }
  if (status.code() == StatusCode::kCancelled) {
    stop(StopReason::kInterrupted);
  } else if (!status.ok()) {
    return status;
  }
  show(matcher_.push(decoder_.finish()));
  show(matcher_.finish());
  return std::move(result_);
}

}  // namespace

Result<GenerationResult> generate(Session& session, const Tokenizer& tokenizer,
                                  const GenerationRequest& request,
                                  const std::function<bool(std::string_view)>& on_text,
                                  const CancelToken& cancel) {
  return Generation(session, tokenizer, request, on_text, cancel).run();
}

}  // namespace bitnetc
