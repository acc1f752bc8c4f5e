#include "frontend/grammar/json_schema.h"

#include <set>

#include "frontend/grammar/exclusions.h"
#include "frontend/grammar/schema_reader.h"
#include "frontend/json/strict_json.h"
#include "runtime/ordered_json.h"
#include "runtime/printable.h"

namespace bitnetc::grammar {
namespace {

// Schemas inside one another, and what joins of references to references come to.
constexpr int kMostSchemaDepth = 64;
constexpr size_t kMostExpressions = 400'000;

const std::set<std::string>& honoured_keywords() {
  static const std::set<std::string> keywords = {"$ref",
                                                 "additionalProperties",
                                                 "allOf",
                                                 "anyOf",
                                                 "const",
                                                 "enum",
                                                 "exclusiveMaximum",
                                                 "exclusiveMinimum",
                                                 "format",
                                                 "items",
                                                 "maxItems",
                                                 "maxLength",
                                                 "maximum",
                                                 "minItems",
                                                 "minLength",
                                                 "minimum",
                                                 "oneOf",
                                                 "pattern",
                                                 "prefixItems",
                                                 "properties",
                                                 "required",
                                                 "type"};
  return keywords;
}

SchemaJson without(const SchemaJson& schema, const std::string& keyword) {
  SchemaJson rest = schema;
  rest.erase(keyword);
  return rest;
}

bool has_rules(const SchemaJson& schema) {
  for (const auto& [keyword, value] : schema.items())
    if (!is_annotation(keyword)) return true;
  return false;
}

bool is_of_type(const SchemaJson& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  const bool is_whole =
      value.is_number_integer() ||
      (value.is_number_float() &&
       value.get<double>() == static_cast<double>(static_cast<int64_t>(value.get<double>())));
  return type == "integer" ? is_whole : value.is_number();
}

// Pointers of long names are cut: every rule keeps its name.
std::string rule_name(const std::string& pointer) {
  return printable(pointer, 200);
}

// What a pointer's token spells: "a/b" as "a~1b".
std::string unescaped(std::string token) {
  for (const auto& [from, to] : {std::pair("~1", "/"), std::pair("~0", "~")})
    for (size_t at = 0; (at = token.find(from, at)) != std::string::npos; ++at)
      token.replace(at, 2, to);
  return token;
}

}  // namespace

Result<const SchemaJson*> SchemaReader::at_pointer(const std::string& pointer,
                                                   const std::string& from) const {
  const auto refuse = [&](const std::string& what) {
    return schema_error(StatusCode::kInvalidArgument, from,
                        fmt::format("$ref \"{}\": {}", printable(pointer, 100), what));
  };
  if (!pointer.starts_with("#")) return refuse("expected a place in this document, \"#/...\"");
  const SchemaJson* at = &root_;
  size_t begin = 1;
  while (begin < pointer.size()) {
    if (pointer[begin] != '/') return refuse("expected a JSON pointer behind the #");
    const size_t end = std::min(pointer.find('/', begin + 1), pointer.size());
    const std::string token = unescaped(pointer.substr(begin + 1, end - begin - 1));
    begin = end;
    if (at->is_object() && at->contains(token)) {
      at = &(*at)[token];
    } else if (at->is_array() && !token.empty() && token.size() < 7 &&
               token.find_first_not_of("0123456789") == std::string::npos &&
               std::stoul(token) < at->size()) {
      at = &(*at)[std::stoul(token)];
    } else {
      return refuse("expected a place that is there");
    }
  }
  return at;
}

Result<RuleId> SchemaReader::read() {
  BITNETC_ASSIGN_OR_RETURN(const RuleId root, rule_of("#", "#"));
  while (!waiting_.empty()) {
    const Waiting next = std::move(waiting_.back());
    waiting_.pop_back();
    BITNETC_ASSIGN_OR_RETURN(const ExpressionId body, value(*next.schema, next.pointer, 0));
    grammar_.set_body(next.rule, body);
  }
  return root;
}

Result<RuleId> SchemaReader::rule_of(const std::string& pointer, const std::string& from) {
  if (const auto known = rules_.find(pointer); known != rules_.end()) return known->second;
  BITNETC_ASSIGN_OR_RETURN(const SchemaJson* schema, at_pointer(pointer, from));
  const RuleId rule = grammar_.add_rule(rule_name(pointer));
  rules_.emplace(pointer, rule);
  waiting_.push_back({rule, schema, pointer});
  return rule;
}

Result<SchemaJson> SchemaReader::resolved(SchemaJson schema, const std::string& pointer) const {
  for (int count = 0; schema.is_object() && schema.contains("$ref"); ++count) {
    if (count > kMostSchemaDepth || !schema["$ref"].is_string())
      return schema_error(StatusCode::kInvalidArgument, pointer,
                          "$ref: expected a text that leads to a schema");
    BITNETC_ASSIGN_OR_RETURN(const SchemaJson* target,
                             at_pointer(schema["$ref"].get<std::string>(), pointer));
    schema.erase("$ref");
    BITNETC_ASSIGN_OR_RETURN(schema, merge_schemas(std::move(schema), *target, pointer));
  }
  return schema;
}

SchemaReader::Part SchemaReader::as_rule(const SchemaJson& schema, const std::string& pointer,
                                         int depth) {
  BITNETC_ASSIGN_OR_RETURN(const ExpressionId body, value(schema, pointer, depth));
  return grammar_.rule(grammar_.add_rule(rule_name(pointer), body));
}

SchemaReader::Part SchemaReader::value(const SchemaJson& schema, const std::string& pointer,
                                       int depth) {
  if (depth > kMostSchemaDepth || grammar_.size() > kMostExpressions)
    return schema_error(StatusCode::kUnsupported, pointer,
                        "the schema is too large or too deep once its references are joined");
  if (schema == true) return texts_.any_value();
  if (schema == false)
    return schema_error(StatusCode::kInvalidArgument, pointer, "false: nothing is valid");
  if (!schema.is_object())
    return schema_error(StatusCode::kInvalidArgument, pointer, "expected a schema: an object");
  for (const auto& [keyword, its_value] : schema.items())
    if (!is_annotation(keyword) && !honoured_keywords().contains(keyword))
      return schema_error(StatusCode::kUnsupported, fmt::format("{}/{}", pointer, keyword),
                          "this keyword is not supported");
  if (const auto ref = schema.find("$ref"); ref != schema.end()) {
    if (ref->is_string() && !has_rules(without(schema, "$ref"))) {
      BITNETC_ASSIGN_OR_RETURN(const RuleId rule, rule_of(ref->get<std::string>(), pointer));
      return grammar_.rule(rule);
    }
    BITNETC_ASSIGN_OR_RETURN(const SchemaJson joined, resolved(schema, pointer));
    return value(joined, pointer, depth + 1);
  }
  if (schema.contains("allOf")) return all_of(schema, pointer, depth);
  if (schema.contains("anyOf")) return alternatives(schema, "anyOf", pointer, depth);
  if (schema.contains("oneOf")) return alternatives(schema, "oneOf", pointer, depth);
  if (schema.contains("const") || schema.contains("enum")) return constants(schema, pointer);
  return typed_value(schema, pointer, depth);
}

SchemaReader::Part SchemaReader::all_of(const SchemaJson& schema, const std::string& pointer,
                                        int depth) {
  const SchemaJson& parts = schema["allOf"];
  if (!parts.is_array() || parts.empty())
    return schema_error(StatusCode::kInvalidArgument, pointer + "/allOf",
                        "expected a list of schemas");
  SchemaJson joined = without(schema, "allOf");
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string at = fmt::format("{}/allOf/{}", pointer, i);
    BITNETC_ASSIGN_OR_RETURN(const SchemaJson part, resolved(parts[i], at));
    BITNETC_ASSIGN_OR_RETURN(joined, merge_schemas(std::move(joined), part, at));
  }
  return value(joined, pointer, depth + 1);
}

SchemaReader::Part SchemaReader::alternatives(const SchemaJson& schema, const std::string& keyword,
                                              const std::string& pointer, int depth) {
  const SchemaJson& parts = schema[keyword];
  const std::string list = pointer + "/" + keyword;
  if (!parts.is_array() || parts.empty())
    return schema_error(StatusCode::kInvalidArgument, list, "expected a list of schemas");
  const SchemaJson rest = without(schema, keyword);
  Exclusions exclusions;
  std::vector<ExpressionId> ways;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string at = fmt::format("{}/{}", list, i);
    SchemaJson part = parts[i];
    if (has_rules(rest) || keyword == "oneOf") {
      BITNETC_ASSIGN_OR_RETURN(part, resolved(std::move(part), at));
      const auto other = keyword == "oneOf" ? exclusions.add(part) : std::nullopt;
      if (other)
        return schema_error(StatusCode::kUnsupported, list,
                            fmt::format("expected schemas that exclude each other by type, "
                                        "constant or a required constant property; {} and {} may "
                                        "not",
                                        *other, i));
    }
    if (has_rules(rest)) {
      BITNETC_ASSIGN_OR_RETURN(part, merge_schemas(rest, part, at));
    } else if (keyword == "oneOf") {
      part = parts[i];  // by its rule, if it is a reference
    }
    BITNETC_ASSIGN_OR_RETURN(const ExpressionId way, value(part, at, depth + 1));
    ways.push_back(way);
  }
  return grammar_.choice(std::move(ways));
}

SchemaReader::Part SchemaReader::constants(const SchemaJson& schema, const std::string& pointer) {
  for (const auto& [keyword, its_value] : schema.items())
    if (keyword != "const" && keyword != "enum" && keyword != "type" && !is_annotation(keyword))
      return schema_error(StatusCode::kUnsupported, fmt::format("{}/{}", pointer, keyword),
                          "this keyword is not supported beside const or enum");
  const auto list = schema.find("enum");
  if (list != schema.end() && !list->is_array())
    return schema_error(StatusCode::kInvalidArgument, pointer + "/enum",
                        "expected a list of values");
  std::vector<SchemaJson> values;
  if (schema.contains("const")) {
    values.push_back(schema["const"]);
    if (list != schema.end() && std::ranges::find(*list, values[0]) == list->end()) values.clear();
  } else {
    values.assign(list->begin(), list->end());
  }
  if (schema.contains("type")) {
    BITNETC_ASSIGN_OR_RETURN(const std::vector<std::string> allowed, types(schema, pointer));
    std::erase_if(values, [&](const SchemaJson& each) {
      return std::ranges::none_of(allowed,
                                  [&](const std::string& type) { return is_of_type(each, type); });
    });
  }
  if (values.empty())
    return schema_error(StatusCode::kInvalidArgument, pointer, "none of the values is valid");
  std::vector<ExpressionId> ways;
  for (const SchemaJson& each : values) ways.push_back(grammar_.bytes(each.dump()));
  return grammar_.choice(std::move(ways));
}

SchemaReader::Part SchemaReader::typed_value(const SchemaJson& schema, const std::string& pointer,
                                             int depth) {
  BITNETC_ASSIGN_OR_RETURN(const std::vector<std::string> names, types(schema, pointer));
  if (names.empty()) return texts_.any_value();
  std::vector<ExpressionId> ways;
  for (const std::string& name : names) {
    BITNETC_ASSIGN_OR_RETURN(const ExpressionId way, value_of_type(name, schema, pointer, depth));
    ways.push_back(way);
  }
  return grammar_.choice(std::move(ways));
}

Result<SchemaJson> parse_schema(std::string_view json) {
  const Result<nlohmann::json> checked = parse_strict_json(json, "JSON schema");
  if (!checked.ok())
    return Status(StatusCode::kInvalidArgument, std::string(checked.status().message()));
  Result<SchemaJson> schema = parse_ordered_json(json, {.depth = size_t{kMaxJsonDepth}});
  if (!schema.ok())
    return Status(schema.status().code(), "JSON schema: " + schema.status().message());
  return schema;
}

Result<SourceGrammar> parse_json_schema(std::string_view json) {
  BITNETC_ASSIGN_OR_RETURN(const SchemaJson schema, parse_schema(json));
  SourceGrammar grammar;
  SchemaReader reader(schema, grammar);
  BITNETC_ASSIGN_OR_RETURN(grammar.root, reader.read());
  return grammar;
}

SourceGrammar any_json_object() {
  SourceGrammar grammar;
  const ExpressionId object = JsonTexts(grammar).any_object();
  grammar.root = grammar.add_rule("a JSON object", object);
  return grammar;
}

}  // namespace bitnetc::grammar
