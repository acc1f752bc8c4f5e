// A schema and all that it refers to, as expressions of one grammar.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frontend/grammar/json_texts.h"
#include "frontend/grammar/schema_merge.h"

namespace bitnetc::grammar {

// A document without keys that are there twice. Error: kInvalidArgument.
Result<SchemaJson> parse_schema(std::string_view json);

class SchemaReader {
 public:
  SchemaReader(const SchemaJson& root, SourceGrammar& grammar)
      : root_(root), grammar_(grammar), texts_(grammar) {}

  // The rule of the whole schema, with the rules of all that it refers to.
  Result<RuleId> read();

 private:
  using Part = Result<ExpressionId>;
  struct Waiting {
    RuleId rule;
    const SchemaJson* schema;
    std::string pointer;
  };

  // The rule of the schema that a pointer ("#", "#/$defs/node") names. Its body is read later, so
  // that a chain of references, however long, is no recursion.
  Result<RuleId> rule_of(const std::string& pointer, const std::string& from);

  Part value(const SchemaJson& schema, const std::string& pointer, int depth);
  Part typed_value(const SchemaJson& schema, const std::string& pointer, int depth);
  Part alternatives(const SchemaJson& schema, const std::string& keyword,
                    const std::string& pointer, int depth);
  Part all_of(const SchemaJson& schema, const std::string& pointer, int depth);
  Part constants(const SchemaJson& schema, const std::string& pointer);
  Part value_of_type(const std::string& type, const SchemaJson& schema, const std::string& pointer,
                     int depth);
  Part string(const SchemaJson& schema, const std::string& pointer);
  Part number(const SchemaJson& schema, const std::string& pointer);
  Part integer(const SchemaJson& schema, const std::string& pointer);
  Part array(const SchemaJson& schema, const std::string& pointer, int depth);
  Part object(const SchemaJson& schema, const std::string& pointer, int depth);
  // As a rule of its own, so that a schema that is used more than once is there once.
  Part as_rule(const SchemaJson& schema, const std::string& pointer, int depth);

  Result<std::vector<std::string>> types(const SchemaJson& schema,
                                         const std::string& pointer) const;
  Result<uint32_t> count(const SchemaJson& schema, const char* keyword, uint32_t otherwise,
                         const std::string& pointer) const;
  Result<NumberBounds> bounds(const SchemaJson& schema, const std::string& pointer) const;
  Result<const SchemaJson*> at_pointer(const std::string& pointer, const std::string& from) const;
  // `schema` with its $ref, if it has one, replaced by what that names.
  Result<SchemaJson> resolved(SchemaJson schema, const std::string& pointer) const;

  const SchemaJson& root_;
  SourceGrammar& grammar_;
  JsonTexts texts_;
  std::map<std::string, RuleId> rules_;  // by pointer
  std::vector<Waiting> waiting_;         // rules without a body yet
};

}  // namespace bitnetc::grammar
