// The texts of one request: submits them, turns their tokens into text and tells an AnswerSink.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "tools/serve/api/generation_params.h"
#include "tools/serve/api/token_text.h"
#include "tools/serve/engine/token_engine.h"
#include "tools/serve/exchange.h"

namespace bitnetc::serve {

struct ChoiceEnd {
  bool is_length = false;          // no end of its own: as many tokens as may be
  std::string stop;                // the stop string; empty: none
  std::optional<int32_t> stop_id;  // the last token was this one
  RequestEnd end;
};

// Tokens of all texts of a request; a prompt counts once, however many texts it has.
struct TokenTotals {
  int64_t prompt = 0, cached = 0, text = 0;
};

// Writes the answer of a surface. Called by one thread at a time, in this order.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  virtual void begin() {}  // the first text has its place: a stream may begin
  // How likely the prompt's own tokens are, where that was asked for.
  virtual void prompt(int /*choice*/, std::span<TokenEntry> /*entries*/) {}
  // `tokens`: of the whole request so far.
  virtual void piece(int choice, Piece piece, const TokenTotals& tokens) = 0;
  virtual void end_choice(int choice, const ChoiceEnd& end, const TokenTotals& tokens) = 0;
  virtual void finish(const TokenTotals& tokens) = 0;  // every text has ended well
  virtual void fail(const ApiError& error) = 0;        // nothing follows
};

struct GenerationPlan {
  std::vector<std::vector<int32_t>> prompts;  // choices are counted through: prompt by prompt
  GenerationParams params;
  std::vector<int32_t> stop_ids;
  bool scores_prompt = false;
};

// Ends when the client goes. An error before anything was told goes to the sink's fail(), too.
void start_generation(std::shared_ptr<Exchange> exchange, GenerationPlan plan,
                      std::unique_ptr<AnswerSink> sink);

// What the model stops at; `end_of_answer`: of a chat template.
std::vector<int32_t> stop_ids_of(const ServedModel& model, const GenerationParams& params,
                                 std::optional<int32_t> end_of_answer = std::nullopt);

}  // namespace bitnetc::serve
