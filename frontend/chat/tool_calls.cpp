#include "frontend/tool_calls.h"

#include <utility>

#include "frontend/chat/certain_text.h"

namespace bitnetc {
namespace {

constexpr ToolCallSyntax kTaggedSyntax = {.before_first = "<tool_call>\n",
                                          .before_name = "{\"name\": \"",
                                          .before_arguments = "\", \"arguments\": ",
                                          .behind_call = "}\n</tool_call>",
                                          .between = "\n<tool_call>\n",
                                          .behind_last = ""};
constexpr ToolCallSyntax kTaggedListSyntax = {.before_first = "<tool_call>\n[\n  ",
                                              .before_name = "{\"name\": \"",
                                              .before_arguments = "\", \"arguments\": ",
                                              .behind_call = "}",
                                              .between = ",\n  ",
                                              .behind_last = "\n]\n</tool_call>"};
constexpr ToolCallSyntax kBareJsonSyntax = {.before_first = "",
                                            .before_name = "{\"name\": \"",
                                            .before_arguments = "\", \"parameters\": ",
                                            .behind_call = "}",
                                            .between = "",
                                            .behind_last = ""};

}  // namespace

const ToolCallSyntax& syntax_of(ToolCallForm form) {
  switch (form) {
    case ToolCallForm::kTaggedList: return kTaggedListSyntax;
    case ToolCallForm::kBareJson: return kBareJsonSyntax;
    case ToolCallForm::kTagged: break;
  }
  return kTaggedSyntax;
}

std::vector<AnswerPart> ToolCallReader::push(std::string_view text) {
  held_ += text;
  std::vector<AnswerPart> parts;
  for (bool goes_on = true; goes_on && !held_.empty();) {
    switch (place_) {
      case Place::kText: goes_on = read_text(parts); break;
      case Place::kHead: goes_on = read_head(parts); break;
      case Place::kArguments: goes_on = read_arguments(parts); break;
    }
  }
  return parts;
}

std::vector<AnswerPart> ToolCallReader::finish() {
  if (place_ != Place::kText || held_.empty()) return {};
  return {{AnswerPart::Kind::kText, std::exchange(held_, {})}};
}

// Whether there is more to read, as of the others.
bool ToolCallReader::read_text(std::vector<AnswerPart>& parts) {
  size_t ready = held_.size();
  if (form_ == ToolCallForm::kBareJson) {
    if (is_at_start_ && held_[0] == '{') {
      place_ = Place::kHead;
      return true;
    }
  } else if (const size_t tag = held_.find(kToolCallTag); tag != held_.npos) {
    // The white space before a call is no part of the text.
    const size_t last = std::string_view(held_).substr(0, tag).find_last_not_of(kSpaces);
    if (last != held_.npos) parts.push_back({AnswerPart::Kind::kText, held_.substr(0, last + 1)});
    held_.erase(0, tag);
    place_ = Place::kHead;
    return true;
  } else {
    ready = certain_text(held_, kToolCallTag);
  }
  if (ready == 0) return false;
  is_at_start_ = false;
  parts.push_back({AnswerPart::Kind::kText, held_.substr(0, ready)});
  held_.erase(0, ready);
  return false;
}

// Up to the arguments of the next call, if another one comes.
bool ToolCallReader::read_head(std::vector<AnswerPart>& parts) {
  const size_t begin = held_.find(syntax_.before_name);
  if (begin == held_.npos) return false;
  const size_t name = begin + syntax_.before_name.size();
  const size_t end = held_.find(syntax_.before_arguments, name);
  if (end == held_.npos) return false;
  parts.push_back({AnswerPart::Kind::kCall, held_.substr(name, end - name)});
  held_.erase(0, end + syntax_.before_arguments.size());
  ++calls_;
  place_ = Place::kArguments;
  return true;
}

bool ToolCallReader::read_arguments(std::vector<AnswerPart>& parts) {
  size_t at = 0;
  bool is_over = false;
  while (at < held_.size() && !is_over) {
    const char c = held_[at++];
    if (is_in_string_) {
      is_in_string_ = is_escaped_ || c != '"';
      is_escaped_ = !is_escaped_ && c == '\\';
    } else if (c == '"') {
      is_in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      is_over = --depth_ == 0;
    }
  }
  if (at > 0) parts.push_back({AnswerPart::Kind::kArguments, held_.substr(0, at)});
  held_.erase(0, at);
  if (!is_over) return false;
  parts.push_back({AnswerPart::Kind::kCallEnd, {}});
  place_ = Place::kHead;
  return true;
}

}  // namespace bitnetc
