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

#include "frontend/think_text.h"
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
  std::string reasoning_content = {};     // of an assistant, what it thought before; empty: none
  std::vector<ToolCall> tool_calls = {};  // of an assistant
  std::string tool_call_id = {};          // which call a tool's content answers; empty: none
  std::string name = {};                  // of a tool; empty: not said
};

// What a template may name besides the messages: "bos_token" -> "<s>". As in
// tokenizer_config.json.
using SpecialTokens = std::map<std::string, std::string>;

// Where a prompt ends.
enum class ChatEnd {
  kAnswerBegins,     // where an answer of the model begins
  kConversation,     // behind the last message
  kWithinLastAnswer  // behind the content of the last message, an assistant's, which goes on
};

// What a conversation is rendered with.
struct ChatRendering {
  ChatEnd end = ChatEnd::kAnswerBegins;
  std::tm now = {};                      // what the template sees as the local time
  std::span<const ChatTool> tools = {};  // that the model is told of
  // A JSON object whose members are further variables of the template; empty: none. None of them
  // is_own_variable(). They count as typed.
  std::string_view variables = {};
};

struct ChatPrompt {
  std::string text;
  std::vector<TextSpan> typed;           // what came from messages; apart and in order
  ThinkPlace think = ThinkPlace::kNone;  // where the text behind it begins
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

  // A template that does not know of tools, or teaches a form of calls that is none of
  // ToolCallForm, sees tools, calls and results as parts of texts.
  //   Error  as jinja::Template::render(): kInvalidArgument where the template refuses these
  //          messages (a role it does not know, roles out of order), and where the last message
  //          cannot go on: it is no assistant's, it calls a tool, or the template does not show its
  //          content
  Result<ChatPrompt> render(std::span<const ChatMessage> messages, const ChatRendering& how) const;
  // How a model that reads this template calls tools.
  ToolCallForm tool_call_form() const;
  // Whether the template knows blocks of thoughts (frontend/think_text.h).
  bool knows_thinking() const;
  // Whether the name occurs in the template.
  bool names(std::string_view variable) const;
  // Whether it is the template's own, or the language's: nobody else may set it.
  bool is_own_variable(std::string_view variable) const;

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
