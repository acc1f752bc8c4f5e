// The answer of /v1/responses: items, each a message with a text, what was thought before or a call
// of a function.
#pragma once

#include <string>

#include "tools/serve/api/answer_reader.h"
#include "tools/serve/api/generation.h"
#include "tools/serve/api/tools.h"

namespace bitnetc::serve {

struct ResponsesRequest {
  GenerationParams params;
  ToolsRequest tools;
  AnswerSyntax syntax;
  // As they were said, for answers that repeat them.
  Json instructions = nullptr, metadata = Json::object(), format = {{"type", "text"}};
  Json effort = nullptr;
};

class ResponsesSink final : public AnswerSink {
 public:
  ResponsesSink(std::shared_ptr<Exchange> exchange, ResponsesRequest request);

  void begin() override;
  void piece(int choice, Piece piece, const TokenTotals& tokens) override;
  void end_choice(int choice, const ChoiceEnd& end, const TokenTotals& tokens) override;
  void finish(const TokenTotals& tokens) override;
  void fail(const ApiError& error) override;

 private:
  bool streams() const { return request_.params.stream; }
  void tell(const AnswerPart& part);
  bool is_open(const char* type) const;  // an item of this type
  void begin_message();
  void begin_reasoning();
  void begin_call(const std::string& name);
  void announce_item();
  Json part(const std::string& text) const;  // of the open item, which is no call
  void add(const std::string& text);
  void end_text();  // of the open item, in a stream
  void end_item(const char* status);
  void event(const char* type, const Json& members);
  void item_event(const char* type, const Json& members);
  void part_event(const char* type, const Json& members);
  Json response(const char* status) const;

  const std::shared_ptr<Exchange> exchange_;
  const ResponsesRequest request_;
  const std::string id_;
  const int64_t created_s_;
  AnswerReader reader_;
  Json items_ = Json::array();  // that are over
  Json item_;                   // the open one, without its text; null: none
  std::string text_;            // of the open one: text, or arguments
  int64_t events_ = 0;
  bool has_begun_ = false, is_cut_ = false;
};

}  // namespace bitnetc::serve
