#include "frontend/grammar/schema_merge.h"

#include <algorithm>
#include <set>
#include <span>
#include <string_view>

#include "runtime/printable.h"

namespace bitnetc::grammar {
namespace {

SchemaJson joined_lists(const SchemaJson& a, const SchemaJson& b) {
  SchemaJson all = a;
  for (const SchemaJson& each : b)
    if (std::ranges::find(all, each) == all.end()) all.push_back(each);
  return all;
}

std::optional<SchemaJson> common_types(const SchemaJson& a, const SchemaJson& b) {
  const auto list = [](const SchemaJson& types) {
    return types.is_array() ? types : SchemaJson::array({types});
  };
  SchemaJson both = SchemaJson::array();
  for (const SchemaJson& x : list(a))
    for (const SchemaJson& y : list(b)) {
      if (x == y) both.push_back(x);
      if ((x == "integer" && y == "number") || (x == "number" && y == "integer"))
        both.push_back("integer");
    }
  if (both.empty()) return std::nullopt;
  return both;
}

// Properties of the one that the other's additionalProperties would speak of.
bool disagree_on_others(const SchemaJson& a, const SchemaJson& b) {
  const auto has_others = [](const SchemaJson& schema) {
    const auto at = schema.find("additionalProperties");
    return at != schema.end() && *at != true;
  };
  const auto names = [](const SchemaJson& schema) {
    std::set<std::string> found;
    if (const auto at = schema.find("properties"); at != schema.end() && at->is_object())
      for (const auto& [name, value] : at->items()) found.insert(name);
    return found;
  };
  if (!has_others(a) && !has_others(b)) return false;
  const std::set<std::string> of_a = names(a), of_b = names(b);
  return (has_others(a) && !std::ranges::includes(of_a, of_b)) ||
         (has_others(b) && !std::ranges::includes(of_b, of_a));
}

constexpr std::string_view kLeasts[] = {"minimum", "exclusiveMinimum", "minLength", "minItems"};
constexpr std::string_view kMosts[] = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"};
constexpr std::string_view kAnnotations[] = {
    "$comment",    "$defs",   "$id",      "$schema",  "default", "definitions", "deprecated",
    "description", "example", "examples", "readOnly", "title",   "writeOnly"};

bool is_one_of(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

std::optional<SchemaJson> merged_values(const std::string& keyword, const SchemaJson& a,
                                        const SchemaJson& b) {
  if (keyword == "type") return common_types(a, b);
  if (keyword == "required" && a.is_array() && b.is_array()) return joined_lists(a, b);
  if (is_one_of(kLeasts, keyword) && a.is_number() && b.is_number()) return a < b ? b : a;
  if (is_one_of(kMosts, keyword) && a.is_number() && b.is_number()) return a < b ? a : b;
  if (keyword == "properties" && a.is_object() && b.is_object()) {
    SchemaJson all = a;
    for (const auto& [name, schema] : b.items()) {
      if (all.contains(name)) {
        all[name] = SchemaJson{{"allOf", SchemaJson::array({all[name], schema})}};
      } else {
        all[name] = schema;
      }
    }
    return all;
  }
  if (keyword == "enum" && a.is_array() && b.is_array()) {
    SchemaJson both = SchemaJson::array();
    for (const SchemaJson& each : a)
      if (std::ranges::find(b, each) != b.end()) both.push_back(each);
    return both;
  }
  return std::nullopt;
}

}  // namespace

bool is_annotation(const std::string& keyword) {
  return is_one_of(kAnnotations, keyword);
}

Status schema_error(StatusCode code, const std::string& pointer, const std::string& text) {
  return make_error(code, "JSON schema, {}: {}", printable(pointer.empty() ? "#" : pointer), text);
}

Result<SchemaJson> merge_schemas(SchemaJson a, const SchemaJson& b, const std::string& pointer) {
  const auto refuse = [&](const std::string& what) {
    return schema_error(StatusCode::kUnsupported, pointer,
                        fmt::format("schemas that hold both cannot be joined: {}", what));
  };
  if (a == true) return b;
  if (b == true) return a;
  if (!a.is_object() || !b.is_object()) return refuse("one of them is not an object");
  if (disagree_on_others(a, b)) return refuse("additionalProperties beside other properties");
  for (const auto& [keyword, value] : b.items()) {
    if (is_annotation(keyword)) continue;
    const auto known = a.find(keyword);
    if (known == a.end()) {
      a[keyword] = value;
    } else if (*known == value) {
      continue;
    } else if (auto merged = merged_values(keyword, *known, value)) {
      *known = *std::move(merged);
    } else {
      return refuse(fmt::format("{} differs", printable(keyword)));
    }
  }
  return a;
}

}  // namespace bitnetc::grammar
