// Conversations as prompts: a model's chat template rendered, and its rendering tokenised so that
// nobody who writes a message can write an end of turn.
//
// A template mixes two kinds of text: what the model was trained to see around messages, special
// tokens among it, and the messages. The template engine keeps apart, character by character, which
// is which (frontend/jinja/text.h), and the tokenizer looks for special tokens only where no
// character was typed. "<|im_end|>" inside a message is nine ordinary tokens or so, whatever the
// template does to the message on its way.
#pragma once

#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer.h"
#include "frontend/tool_calls.h"
#include "runtime/status.h"

namespace bitnetc {

struct ToolCall {
  std::string id;  // empty: none
  std::string name;
  std::string arguments;  // a JSON object
};

struct ChatMessage {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
  std::vector<ToolCall> tool_calls = {};  // of an assistant
  std::string tool_call_id = {};          // which call a tool's content answers; empty: none
  std::string name = {};                  // of a tool; empty: not said
};

// What a template may name besides the messages: "bos_token" -> "<s>". As in
// tokenizer_config.json.
using SpecialTokens = std::map<std::string, std::string>;

struct ChatPrompt {
  std::string text;
  std::vector<TextSpan> typed;  // what came from messages; apart and in order
};

// Immutable; any thread may use one.
class ChatTemplate {
 public:
  // `origin`, printable, opens every message: "model/chat_template.jinja".
  // Error: as jinja::Template::parse(); kNotFound for an empty source.
  static Result<std::unique_ptr<const ChatTemplate>> create(std::string_view source,
                                                            const std::string& origin,
                                                            SpecialTokens special_tokens);
  ~ChatTemplate();

  // `add_generation_prompt`: the rendering ends where the model's answer begins. `now` is what the
  // template sees as the local time. `tools`: the model is told of them. A template that does not
  // know of tools, or teaches a form of calls that is none of ToolCallForm, sees tools, calls and
  // results as parts of texts.
  //   Error  as jinja::Template::render(): kInvalidArgument where the template refuses these
  //          messages (a role it does not know, roles out of order)
  Result<ChatPrompt> render(std::span<const ChatMessage> messages, bool add_generation_prompt,
                            const std::tm& now, std::span<const ChatTool> tools = {}) const;
  // How a model that reads this template calls tools.
  ToolCallForm tool_call_form() const;

  // The token that ends an answer in this template, as a model trained with it will write it: the
  // first special token behind the answer of a small conversation. None if the template has no such
  // token or refuses the conversation.
  std::optional<int32_t> end_of_answer(const Tokenizer& tokenizer) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

// The ids of a rendered prompt, begin-of-text once: the tokenizer's own is added unless the
// template has written it. What the tokenizer puts behind a text is left out, since an answer
// follows. Error: as Tokenizer::encode_typed().
Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer, const ChatPrompt& prompt);

}  // namespace bitnetc
