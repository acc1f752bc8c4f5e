// Reads the input as an answer that may call tools, cut at places that the input chooses: the parts
// must be those of the answer read at once, and what the grammar allows must be calls with a name
// and a JSON object.
#include <nlohmann/json.hpp>

#include "frontend/grammar.h"
#include "frontend/tool_calls.h"
#include "runtime/status.h"

namespace bitnetc {
namespace {

using Kind = AnswerPart::Kind;

void add(std::vector<AnswerPart> parts, std::vector<AnswerPart>& all) {
  for (AnswerPart& each : parts) {
    const bool goes_on = !all.empty() && all.back().kind == each.kind &&
                         (each.kind == Kind::kText || each.kind == Kind::kArguments);
    if (goes_on)
      all.back().text += each.text;
    else
      all.push_back(std::move(each));
  }
}

std::vector<AnswerPart> read(ToolCallForm form, std::string_view text, std::string_view cuts) {
  ToolCallReader reader(form);
  std::vector<AnswerPart> parts;
  for (size_t i = 0; !text.empty(); ++i) {
    const size_t size =
        cuts.empty()
            ? text.size()
            : std::min<size_t>(text.size(), static_cast<uint8_t>(cuts[i % cuts.size()]) + 1);
    add(reader.push(text.substr(0, size)), parts);
    text.remove_prefix(size);
  }
  add(reader.finish(), parts);
  return parts;
}

Grammar::Ptr grammar_of(ToolCallForm form) {
  const ToolCallRules rules = {.form = form,
                               .tools = {{.name = "f", .parameters = "", .json = ""}}};
  return *Grammar::from_tool_calls(rules);
}

void check(std::string_view input) {
  static const Grammar::Ptr grammars[] = {grammar_of(ToolCallForm::kTagged),
                                          grammar_of(ToolCallForm::kTaggedList),
                                          grammar_of(ToolCallForm::kBareJson)};
  if (input.size() < 4) return;
  const size_t which = static_cast<uint8_t>(input[0]) % 3;
  const auto form = static_cast<ToolCallForm>(which);
  const std::string_view cuts = input.substr(1, 3), text = input.substr(4);
  const std::vector<AnswerPart> parts = read(form, text, {});
  BITNETC_CHECK(parts == read(form, text, cuts), "cuts change what is read");
  GrammarState state(grammars[which]);
  if (!state.accept(text) || !state.may_end()) return;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].kind != Kind::kCall) continue;
    BITNETC_CHECK(parts[i].text == "f" && i + 2 < parts.size(), "a call of nothing");
    BITNETC_CHECK(parts[i + 2].kind == Kind::kCallEnd, "a call without an end");
    const auto arguments = nlohmann::json::parse(parts[i + 1].text, nullptr, false);
    BITNETC_CHECK(arguments.is_object(), "arguments that are no object");
  }
}

}  // namespace
}  // namespace bitnetc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bitnetc::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
