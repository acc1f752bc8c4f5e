// The answer of /v1/messages: blocks of thoughts, of text and of tools that are used, one behind
// the other.
#pragma once

#include <string>

#include "tools/serve/api/answer_reader.h"
#include "tools/serve/api/generation.h"

namespace bitnetc::serve {

class MessagesSink final : public AnswerSink {
 public:
  MessagesSink(std::shared_ptr<Exchange> exchange, const GenerationParams& params,
               int64_t prompt_tokens, const AnswerSyntax& syntax);

  void begin() override;
  void piece(int choice, Piece piece, const TokenTotals& tokens) override;
  void end_choice(int choice, const ChoiceEnd& end, const TokenTotals& tokens) override;
  void finish(const TokenTotals& tokens) override;
  void fail(const ApiError& error) override;

 private:
  void tell(const AnswerPart& part);
  bool is_open(const char* type) const;  // a block of this type
  void begin_block(Json block);
  void end_block(bool is_cut = false);
  void add_to_block(const std::string& text);
  void event(const char* type, const Json& members);
  Json message(Json content, const TokenTotals& tokens) const;

  const std::shared_ptr<Exchange> exchange_;
  const bool streams_;
  const int64_t prompt_tokens_;
  const std::string id_;
  AnswerReader reader_;
  Json blocks_ = Json::array();  // that are over; of a stream without their texts
  Json block_;                   // the open one; null: none
  std::string block_text_;       // of the open one, or its input
  Json stop_reason_, stop_sequence_;
  bool has_begun_ = false;
};

}  // namespace bitnetc::serve
