// Text to tokens and back, by a model's tokenizer and chat template.
#include "tools/capi/handles.h"
#include "tools/capi/structs.h"
#include "tools/engine/chat_request.h"

namespace bitnetc::capi {
namespace {

Status check_flags(uint32_t flags, uint32_t known) {
  if ((flags & ~known) == 0) return {};
  return make_error(StatusCode::kInvalidArgument, "flags is {:#x}, expected none outside of {:#x}",
                    flags, known);
}

Result<std::vector<int32_t>> encode(const Tokenizer& tokenizer, std::string_view text,
                                    uint32_t flags) {
  const bool adds_special = (flags & BITNETC_ADD_SPECIAL) != 0;
  if ((flags & BITNETC_TYPED) == 0 || text.empty()) return tokenizer.encode(text, adds_special);
  const TextSpan whole{.begin = 0, .end = text.size()};
  return tokenizer.encode_typed(text, {&whole, 1}, adds_special);
}

Result<std::vector<ChatMessage>> read_messages(std::span<const bitnetc_chat_message> messages) {
  std::vector<ChatMessage> read;
  for (const bitnetc_chat_message& message : messages) {
    if (message.role == nullptr || message.content == nullptr)
      return make_error(StatusCode::kInvalidArgument, "messages[{}]: role or content is NULL",
                        read.size());
    read.push_back({.role = message.role, .content = message.content});
  }
  return read;
}

}  // namespace

extern "C" BITNETC_API bitnetc_status bitnetc_tokenize(const bitnetc_model* model, const char* text,
                                                       size_t text_length, uint32_t flags,
                                                       int32_t* tokens, size_t capacity,
                                                       size_t* count) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    BITNETC_RETURN_IF_ERROR(need_array(text, text_length, "text"));
    BITNETC_RETURN_IF_ERROR(need(count, "count"));
    BITNETC_RETURN_IF_ERROR(check_flags(flags, BITNETC_ADD_SPECIAL | BITNETC_TYPED));
    BITNETC_ASSIGN_OR_RETURN(const auto ids,
                             encode(*model->open->engine.tokenizer, {text, text_length}, flags));
    return write_array(std::span(ids), "tokens", tokens, capacity, count);
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_detokenize(const bitnetc_model* model,
                                                         const int32_t* tokens, size_t token_count,
                                                         uint32_t flags, char* text,
                                                         size_t capacity, size_t* text_length) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    BITNETC_RETURN_IF_ERROR(need_array(tokens, token_count, "tokens"));
    BITNETC_RETURN_IF_ERROR(need(text_length, "text_length"));
    BITNETC_RETURN_IF_ERROR(check_flags(flags, BITNETC_SHOW_SPECIAL));
    const bool skips_special = (flags & BITNETC_SHOW_SPECIAL) == 0;
    BITNETC_ASSIGN_OR_RETURN(const std::string decoded, model->open->engine.tokenizer->decode(
                                                            {tokens, token_count}, skips_special));
    const std::span<const char> bytes(decoded);
    const Outcome written = write_array(bytes, "text", text, capacity, text_length);
    if (written.code == BITNETC_OK && capacity > bytes.size() && text != nullptr)
      text[bytes.size()] = '\0';
    return written;
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_chat_tokenize(const bitnetc_model* model,
                                                            const bitnetc_chat_message* messages,
                                                            size_t message_count, int32_t* tokens,
                                                            size_t capacity, size_t* count) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    BITNETC_RETURN_IF_ERROR(need_array(messages, message_count, "messages"));
    BITNETC_RETURN_IF_ERROR(need(count, "count"));
    const OpenModel& open = *model->open;
    BITNETC_RETURN_IF_ERROR(open.template_problem);
    BITNETC_ASSIGN_OR_RETURN(const auto read, read_messages({messages, message_count}));
    BITNETC_ASSIGN_OR_RETURN(const ChatRequest request,
                             make_chat_request(*open.chat_template, *open.engine.tokenizer, read));
    return write_array(std::span(request.prompt_ids), "tokens", tokens, capacity, count);
  });
}

}  // namespace bitnetc::capi
