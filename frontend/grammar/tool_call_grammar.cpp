#include "frontend/grammar/tool_call_grammar.h"

#include <deque>

#include "frontend/grammar/json_schema.h"
#include "frontend/grammar/schema_reader.h"
#include "frontend/grammar/tag_texts.h"

namespace bitnetc::grammar {
namespace {

class ToolCallGrammar {
 public:
  explicit ToolCallGrammar(const ToolCallRules& rules)
      : rules_(rules), syntax_(syntax_of(rules.form)), texts_(grammar_) {}

  Result<SourceGrammar> build() {
    BITNETC_ASSIGN_OR_RETURN(const ExpressionId call, any_call());
    std::vector<ExpressionId> ways = {calls(call, /*has_begun=*/false)};
    if (!rules_.must_call && !rules_.text_schema.empty()) {
      BITNETC_ASSIGN_OR_RETURN(const ExpressionId text,
                               schema_value(rules_.text_schema, "the text", /*of_object=*/false));
      ways.push_back(text);
    } else if (!rules_.must_call && rules_.form == ToolCallForm::kBareJson) {
      ways.push_back(text_but_json());
    } else if (!rules_.must_call) {
      ways = {text_without(grammar_, kToolCallTag),
              grammar_.sequence({text_up_to(grammar_, kToolCallTag), calls(call, true)})};
    }
    grammar_.root = grammar_.add_rule("the answer", grammar_.choice(std::move(ways)));
    return std::move(grammar_);
  }

 private:
  // `of_object`: the values are objects even where the schema leaves that open.
  Result<ExpressionId> schema_value(const std::string& json, const std::string& what,
                                    bool of_object) {
    auto schema = parse_schema(json);
    if (!schema.ok()) return schema.status().with_context(what);
    if (of_object && schema->is_object() && !says_type(*schema)) (*schema)["type"] = "object";
    schemas_.push_back(*std::move(schema));
    SchemaReader reader(schemas_.back(), grammar_);
    const Result<RuleId> rule = reader.read();
    if (!rule.ok()) return rule.status().with_context(what);
    return grammar_.rule(*rule);
  }
  static bool says_type(const SchemaJson& schema) {
    for (const char* keyword : {"type", "$ref", "anyOf", "oneOf", "allOf", "const", "enum"})
      if (schema.contains(keyword)) return true;
    return false;
  }

  Result<ExpressionId> any_call() {
    std::vector<ExpressionId> ways;
    for (const ChatTool& tool : rules_.tools) {
      ExpressionId arguments = 0;
      if (tool.parameters.empty()) {
        arguments = texts_.any_object();
      } else {
        BITNETC_ASSIGN_OR_RETURN(arguments,
                                 schema_value(tool.parameters, "parameters of " + tool.name,
                                              /*of_object=*/true));
      }
      ways.push_back(grammar_.sequence(
          {grammar_.bytes(tool.name), grammar_.bytes(syntax_.before_arguments), arguments}));
    }
    const ExpressionId call =
        grammar_.sequence({grammar_.bytes(syntax_.before_name), grammar_.choice(std::move(ways)),
                           grammar_.bytes(syntax_.behind_call)});
    return grammar_.rule(grammar_.add_rule("a call", call));
  }

  // `has_begun`: behind the tag.
  ExpressionId calls(ExpressionId call, bool has_begun) {
    std::string_view before = syntax_.before_first;
    if (has_begun) before.remove_prefix(kToolCallTag.size());
    std::vector<ExpressionId> parts = {grammar_.bytes(before), call};
    if (rules_.may_call_many && !syntax_.between.empty())
      parts.push_back(grammar_.repetition(
          grammar_.sequence({grammar_.bytes(syntax_.between), call}), 0, kUnlimited));
    parts.push_back(grammar_.bytes(syntax_.behind_last));
    return grammar_.sequence(std::move(parts));
  }

  // What is no call from its first character on.
  ExpressionId text_but_json() {
    const CharacterSet all = CharacterSet::all();
    return grammar_.optional(
        grammar_.sequence({grammar_.character(all.without(CharacterSet::of('{'))),
                           grammar_.repetition(grammar_.character(all), 0, kUnlimited)}));
  }

  const ToolCallRules& rules_;
  const ToolCallSyntax& syntax_;
  SourceGrammar grammar_;
  JsonTexts texts_;
  std::deque<SchemaJson> schemas_;  // readers refer to them
};

}  // namespace

Result<SourceGrammar> tool_call_grammar(const ToolCallRules& rules) {
  return ToolCallGrammar(rules).build();
}

}  // namespace bitnetc::grammar
