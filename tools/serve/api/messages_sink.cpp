#include "tools/serve/api/messages_sink.h"

#include "tools/serve/service.h"

namespace bitnetc::serve {
namespace {

Json message_usage(const TokenTotals& tokens) {
  return {{"input_tokens", tokens.prompt - tokens.cached},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", tokens.cached},
          {"output_tokens", tokens.text}};
}

}  // namespace

MessagesSink::MessagesSink(std::shared_ptr<Exchange> exchange, const GenerationParams& params,
                           int64_t prompt_tokens, const AnswerSyntax& syntax)
    : exchange_(std::move(exchange)),
      streams_(params.stream),
      prompt_tokens_(prompt_tokens),
      id_(fresh_id("msg_")),
      reader_(syntax) {}

void MessagesSink::begin() {
  if (!streams_) return;
  has_begun_ = true;
  exchange_->begin_stream();
  event("message_start", {{"message", message(Json::array(), {.prompt = prompt_tokens_})}});
}

void MessagesSink::piece(int, Piece piece, const TokenTotals&) {
  for (const AnswerPart& part : reader_.push(piece)) tell(part);
}

void MessagesSink::tell(const AnswerPart& part) {
  switch (part.kind) {
    case AnswerPart::Kind::kThought:
      if (!is_open("thinking"))
        begin_block({{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
      return add_to_block(part.text);
    case AnswerPart::Kind::kText:
      if (!is_open("text")) {
        end_block();
        begin_block({{"type", "text"}, {"text", ""}});
      }
      return add_to_block(part.text);
    case AnswerPart::Kind::kCall:
      end_block();
      return begin_block({{"type", "tool_use"},
                          {"id", fresh_id("toolu_")},
                          {"name", part.text},
                          {"input", Json::object()}});
    case AnswerPart::Kind::kArguments: return add_to_block(part.text);
    case AnswerPart::Kind::kCallEnd: return end_block();
  }
}

bool MessagesSink::is_open(const char* type) const {
  return !block_.is_null() && block_["type"] == type;
}

void MessagesSink::begin_block(Json block) {
  block_ = std::move(block);
  if (streams_)
    event("content_block_start", {{"index", blocks_.size()}, {"content_block", block_}});
}

void MessagesSink::add_to_block(const std::string& text) {
  if (!streams_) {
    block_text_ += text;
    return;
  }
  Json delta = {{"type", "input_json_delta"}, {"partial_json", text}};
  if (is_open("text")) delta = {{"type", "text_delta"}, {"text", text}};
  if (is_open("thinking")) delta = {{"type", "thinking_delta"}, {"thinking", text}};
  event("content_block_delta", {{"index", blocks_.size()}, {"delta", delta}});
}

// A call that was cut has no input that could be told: only a stream has shown it.
void MessagesSink::end_block(bool is_cut) {
  if (block_.is_null()) return;
  if (streams_) {
    event("content_block_stop", {{"index", blocks_.size()}});
  } else if (is_open("text")) {
    block_["text"] = block_text_;
  } else if (is_open("thinking")) {
    block_["thinking"] = block_text_;
  } else {
    Json input = Json::parse(block_text_, nullptr, /*allow_exceptions=*/false);
    if (input.is_object()) block_["input"] = std::move(input);
  }
  if (streams_ || !is_cut) blocks_.push_back(std::move(block_));
  block_ = nullptr;
  block_text_.clear();
}

void MessagesSink::end_choice(int, const ChoiceEnd& end, const TokenTotals&) {
  for (const AnswerPart& part : reader_.finish()) tell(part);
  const bool is_cut = reader_.is_in_call();
  end_block(is_cut);
  if (end.is_length) {
    stop_reason_ = "max_tokens";
  } else if (!end.stop.empty()) {
    stop_reason_ = "stop_sequence";
    stop_sequence_ = end.stop;
  } else {
    stop_reason_ = reader_.has_calls() && !is_cut ? "tool_use" : "end_turn";
  }
}

void MessagesSink::finish(const TokenTotals& tokens) {
  // Clients read the first block.
  if (blocks_.empty()) {
    begin_block({{"type", "text"}, {"text", ""}});
    end_block();
  }
  if (!streams_) return exchange_->send_json(message(blocks_, tokens));
  event("message_delta",
        {{"delta", {{"stop_reason", stop_reason_}, {"stop_sequence", stop_sequence_}}},
         {"usage", message_usage(tokens)}});
  event("message_stop", Json::object());
  exchange_->end_stream();
}

void MessagesSink::fail(const ApiError& error) {
  if (!has_begun_) return exchange_->send_error(error);
  exchange_->break_stream("event: error\ndata: " + error_body(error, ErrorStyle::kAnthropic) +
                          "\n\n");
}

void MessagesSink::event(const char* type, const Json& members) {
  Json data = {{"type", type}};
  data.update(members);
  exchange_->write(sse_event(data, type));
}

Json MessagesSink::message(Json content, const TokenTotals& tokens) const {
  return {{"id", id_},
          {"type", "message"},
          {"role", "assistant"},
          {"model", exchange_->service().model().id},
          {"content", std::move(content)},
          {"stop_reason", stop_reason_},
          {"stop_sequence", stop_sequence_},
          {"usage", message_usage(tokens)}};
}

}  // namespace bitnetc::serve
