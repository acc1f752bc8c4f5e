// An answer's text taken apart: what was thought, what is said and which tools are called.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "frontend/think_text.h"
#include "frontend/tool_calls.h"
#include "tools/serve/api/token_text.h"

namespace bitnetc::serve {

// What of an answer is more than text.
struct AnswerSyntax {
  std::optional<ToolCallForm> calls;     // nothing: no tools may be called
  ThinkPlace think = ThinkPlace::kNone;  // kNone: thoughts are not told apart
};

class AnswerReader {
 public:
  explicit AnswerReader(const AnswerSyntax& syntax);

  std::vector<AnswerPart> push(const Piece& piece);
  std::vector<AnswerPart> finish();
  bool has_calls() const { return calls_ && calls_->calls() > 0; }
  bool is_in_call() const { return calls_ && calls_->is_in_call(); }
  int64_t thought_tokens() const { return thought_tokens_; }  // those of the tags among them

 private:
  std::vector<AnswerPart> parts_of(ThinkSplit split);
  void count(const std::vector<TokenEntry>& entries);

  ThinkReader thoughts_;
  std::optional<ToolCallReader> calls_;
  size_t token_bytes_ = 0;  // of the tokens so far
  int64_t thought_tokens_ = 0, undecided_tokens_ = 0;
};

}  // namespace bitnetc::serve
