// The generation loop: prompt in, text out piece by piece, until a stop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "frontend/tokenizer.h"
#include "runtime/cancel_token.h"
#include "runtime/sampler.h"
#include "runtime/session.h"
#include "runtime/status.h"

namespace bitnetc {

struct GenerationRequest {
  std::vector<int32_t> prompt_ids;
  int max_tokens = 128;
  SamplingParams sampling;        // where its filter lets no more come, the text is at its end
  std::vector<int32_t> stop_ids;  // end-of-text tokens; empty: go on past them
  std::vector<std::string> stop_strings;  // not part of the text that is returned
  bool keep_prompt_logits = false;        // for GenerationResult::prompt_logits
  int most_drafts = 0;                    // tokens guessed per pass, 0..kMostDrafts
};

enum class StopReason { kMaxTokens, kEndOfText, kStopString, kContextFull, kInterrupted };
const char* stop_reason_name(StopReason reason);

struct GenerationResult {
  std::vector<int32_t> ids;  // generated tokens, the end-of-text token included
  std::string text;
  StopReason stop_reason = StopReason::kMaxTokens;
  std::vector<float> prompt_logits;    // of the last prompt position, if they were to be kept
  double prompt_seconds = 0;           // forward passes over the prompt
  double first_token_seconds = 0;      // from the start to the first sampled token
  double decode_seconds = 0;           // forward passes and sampling after the first token
  int decode_tokens = 0;               // that came out after the first
  int decode_passes = 0;               // that they came out of
  int guessed = 0, guessed_right = 0;  // tokens, of several passes (tools/engine/draft.h)
};

// A session that holds tokens already holds the first ones of the prompt, not all of them;
// afterwards it holds the first ones of the prompt and the ids.
// `on_text` is given whole UTF-8 characters as soon as no stop string can begin with them; where it
// returns false, nothing more is generated (kInterrupted) or shown.
Result<GenerationResult> generate(Session& session, const Tokenizer& tokenizer,
                                  const GenerationRequest& request,
                                  const std::function<bool(std::string_view)>& on_text,
                                  const CancelToken& cancel);

// Holds text back while it may be the beginning of a stop string.
class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stop_strings);
  // Takes more text and returns what may be shown. After matched() nothing more is returned.
  std::string push(std::string_view text);
  std::string finish();  // what was held back, when the end came first
  bool matched() const { return !match_.empty(); }
  const std::string& match() const { return match_; }  // the stop string; empty: none yet

 private:
  std::vector<std::string> stop_strings_;
  std::string held_, match_;
};

}  // namespace bitnetc
