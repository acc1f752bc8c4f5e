// What the answers of OpenAI's two text surfaces have in common: an envelope round choices, chunks
// of a stream, usage.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/serve/api/generation.h"

namespace bitnetc::serve {

struct OpenAiNames {
  const char* id_prefix;         // "cmpl-"
  const char *document, *chunk;  // values of "object"
};

Json usage_json(const TokenTotals& tokens);

class OpenAiSink : public AnswerSink {
 public:
  OpenAiSink(std::shared_ptr<Exchange> exchange, const GenerationParams& params,
             const OpenAiNames& names);

  void begin() override;
  void end_choice(int choice, const ChoiceEnd& end, const TokenTotals& tokens) final;
  void finish(const TokenTotals& tokens) final;
  void fail(const ApiError& error) final;

 protected:
  virtual void begin_texts() {}  // the stream may be written to
  // The choice in a document, and the one that ends a stream; its "finish_reason" is added.
  virtual Json whole_choice(int choice) = 0;
  virtual Json last_choice(int choice) = 0;
  // Before the choice's end is told: what was held back.
  virtual void end_text(int /*choice*/, const TokenTotals& /*tokens*/) {}
  // Of a text that is not cut: "stop", if it is no other.
  virtual const char* finish_reason(int /*choice*/) const { return "stop"; }

  virtual Json usage(const TokenTotals& tokens) const { return usage_json(tokens); }

  // A choice of a stream; its finish_reason is null.
  void write_choice(Json choice, const TokenTotals& tokens);
  bool streams() const { return params_.stream; }
  const GenerationParams& params() const { return params_; }
  const ServedModel& model() const;

 private:
  Json envelope(const char* object, Json choices) const;
  void write_chunk(Json choices, const TokenTotals* tokens);

  const std::shared_ptr<Exchange> exchange_;
  const GenerationParams params_;
  const OpenAiNames names_;
  const std::string id_;
  const int64_t created_s_;
  std::vector<std::string> finish_reasons_;  // by choice
  bool has_begun_ = false;
};

}  // namespace bitnetc::serve
