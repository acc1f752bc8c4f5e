#include "tools/engine/generate.h"

#include <algorithm>

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
  if (matched_) return {};
  held_ += text;
  size_t match = std::string::npos;
  for (const std::string& stop : stop_strings_) match = std::min(match, held_.find(stop));
  if (match != std::string::npos) {
    matched_ = true;
    return held_.substr(0, match);
  }
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
  return matched_ ? std::string() : std::exchange(held_, {});
}

Result<GenerationResult> generate(Session& session, const Tokenizer& tokenizer,
                                  const GenerationRequest& request,
                                  const std::function<bool(std::string_view)>& on_text,
                                  const CancelToken& cancel) {
  GenerationResult result;
  const Stopwatch since_start;
  const auto missing =
      std::span(request.prompt_ids).subspan(static_cast<size_t>(session.position()));
  if (const Status status = session.append(missing, &cancel);
      status.code() == StatusCode::kCancelled) {
    result.stop_reason = StopReason::kInterrupted;
    return result;
  } else if (!status.ok()) {
    return status;
  }
  result.prompt_seconds = since_start.seconds();
  result.prompt_logits.assign(session.logits().begin(), session.logits().end());

  Sampler sampler(request.sampling);
  StreamDecoder decoder(tokenizer);
  StopMatcher matcher(request.stop_strings);
  std::vector<int32_t> history = request.prompt_ids;
  bool is_wanted = true;
  const auto show = [&](const std::string& text) {
    result.text += text;
    if (is_wanted && !text.empty()) is_wanted = on_text(text);
  };

  Stopwatch since_first_token;
  while (static_cast<int>(result.ids.size()) < request.max_tokens) {
    if (cancel.load(std::memory_order_relaxed)) {
      result.stop_reason = StopReason::kInterrupted;
      break;
    }
    const int32_t id = sampler.sample(session.logits(), history);
    if (result.ids.empty()) {
      result.first_token_seconds = since_start.seconds();
      since_first_token = Stopwatch();
    }
    result.ids.push_back(id);
    history.push_back(id);
    if (std::find(request.stop_ids.begin(), request.stop_ids.end(), id) != request.stop_ids.end()) {
      result.stop_reason = StopReason::kEndOfText;
      break;
    }
    show(matcher.push(decoder.push(id)));
    if (matcher.matched()) {
      result.stop_reason = StopReason::kStopString;
      break;
    }
    if (!is_wanted) {
      result.stop_reason = StopReason::kInterrupted;
      break;
    }
    if (static_cast<int>(result.ids.size()) == request.max_tokens) break;
    if (session.position() == session.context_tokens()) {
      result.stop_reason = StopReason::kContextFull;
      break;
    }
    const Status appended = session.append({&id, 1}, &cancel);
    if (appended.code() == StatusCode::kCancelled) {
      result.stop_reason = StopReason::kInterrupted;
      break;
    }
    BITNETC_RETURN_IF_ERROR(appended);
    ++result.decode_passes;
    result.decode_seconds = since_first_token.seconds();
  }
  show(matcher.push(decoder.finish()));
  show(matcher.finish());
  return result;
}

}  // namespace bitnetc
