// How models write that they call a tool: the forms that chat templates teach, and a reader that
// takes calls out of a text while it is written. Which texts a form allows is a grammar
// (Grammar::from_tool_calls), so the reader meets no others.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitnetc {

struct ChatTool {
  std::string name;        // 1 to 64 of A-Z a-z 0-9 _ . -
  std::string parameters;  // a JSON schema; empty: any object
  std::string json;        // as templates see it: {"type": "function", "function": {...}}
};

enum class ToolCallForm {
  kTagged,      // Hermes, Qwen: <tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>, each
  kTaggedList,  // Falcon 3: one pair of tags around a list of all calls
  kBareJson,    // Llama 3: the answer is {"name": "f", "parameters": {}}, one call
};

// The texts that an answer may be.
struct ToolCallRules {
  ToolCallForm form = ToolCallForm::kTagged;
  std::vector<ChatTool> tools;  // that may be called, at least one
  bool must_call = false;       // else it may be a text, or a text and calls behind it
  bool may_call_many = true;
  // What a text without calls is, then with none before them: a JSON schema; empty: any text.
  std::string text_schema;
};

struct ToolCallSyntax {
  std::string_view before_first, before_name, before_arguments, behind_call, between, behind_last;
};
const ToolCallSyntax& syntax_of(ToolCallForm form);
// What a text does not hold unless a call follows.
inline constexpr std::string_view kToolCallTag = "<tool_call>";

struct AnswerPart {
  enum class Kind {
    kText,
    kCall,       // a call begins: the tool's name
    kArguments,  // of the call: a stretch of a JSON object
    kCallEnd,
    kThought,  // what was thought before (frontend/think_text.h)
  };
  Kind kind = Kind::kText;
  std::string text;

  bool operator==(const AnswerPart&) const = default;
};

// A text in, stretch by stretch; what it says and which calls it makes out. Text is held back while
// it may be the beginning of a call or the white space before one.
class ToolCallReader {
 public:
  explicit ToolCallReader(ToolCallForm form) : form_(form), syntax_(syntax_of(form)) {}

  std::vector<AnswerPart> push(std::string_view text);
  // What was held back, unless a call had begun.
  std::vector<AnswerPart> finish();
  int calls() const { return calls_; }  // that have begun
  bool is_in_call() const { return place_ == Place::kArguments; }

 private:
  enum class Place { kText, kHead, kArguments };
  bool read_text(std::vector<AnswerPart>& parts);
  bool read_head(std::vector<AnswerPart>& parts);
  bool read_arguments(std::vector<AnswerPart>& parts);

  const ToolCallForm form_;
  const ToolCallSyntax& syntax_;
  Place place_ = Place::kText;
  std::string held_;
  bool is_at_start_ = true;  // no text has gone out
  int calls_ = 0;
  int depth_ = 0;  // of objects and lists in arguments
  bool is_in_string_ = false, is_escaped_ = false;
};

}  // namespace bitnetc
