// Says whether a JSON value is valid for a schema, straight from what the keywords mean. Only those
// that docs/grammars.md lists as honoured, without formats.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace bitnetc::test {

using nlohmann::json;

class SchemaValidator {
 public:
  explicit SchemaValidator(json root) : root_(std::move(root)) {}
  bool valid(const json& value) const { return valid(root_, value); }

 private:
  static size_t characters(const std::string& text) {
    return static_cast<size_t>(
        std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
  }

  static bool has_type(const json& value, const std::string& type) {
    if (type == "integer")
      return value.is_number_integer() ||
             (value.is_number_float() && value == std::floor(value.get<double>()));
    if (type == "number") return value.is_number();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    return type == "array" ? value.is_array() : value.is_object();
  }

  bool valid(const json& schema, const json& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    const auto count_valid = [&](const char* keyword) {
      return std::ranges::count_if(schema[keyword],
                                   [&](const json& each) { return valid(each, value); });
    };
    if (schema.contains("$ref")) {
      const std::string pointer = schema["$ref"].get<std::string>().substr(1);
      if (!valid(root_.at(json::json_pointer(pointer)), value)) return false;
    }
    if (schema.contains("anyOf") && count_valid("anyOf") == 0) return false;
    if (schema.contains("oneOf") && count_valid("oneOf") != 1) return false;
    if (schema.contains("allOf") && count_valid("allOf") != std::ssize(schema["allOf"]))
      return false;
    if (schema.contains("const") && schema["const"] != value) return false;
    if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end())
      return false;
    if (schema.contains("type")) {
      const json types = schema["type"].is_array() ? schema["type"] : json::array({schema["type"]});
      if (std::ranges::none_of(types, [&](const json& type) { return has_type(value, type); }))
        return false;
    }
    if (value.is_string()) return valid_string(schema, value.get<std::string>());
    if (value.is_number()) return valid_number(schema, value);
    if (value.is_array()) return valid_array(schema, value);
    return !value.is_object() || valid_object(schema, value);
  }

  static bool valid_string(const json& schema, const std::string& value) {
    const size_t length = characters(value);
    if (schema.contains("minLength") && length < schema["minLength"]) return false;
    if (schema.contains("maxLength") && length > schema["maxLength"]) return false;
    return !schema.contains("pattern") ||
           std::regex_search(value, std::regex(schema["pattern"].get<std::string>()));
  }

  static bool valid_number(const json& schema, const json& value) {
    return !(schema.contains("minimum") && value < schema["minimum"]) &&
           !(schema.contains("maximum") && value > schema["maximum"]) &&
           !(schema.contains("exclusiveMinimum") && value <= schema["exclusiveMinimum"]) &&
           !(schema.contains("exclusiveMaximum") && value >= schema["exclusiveMaximum"]);
  }

  bool valid_array(const json& schema, const json& value) const {
    if (schema.contains("minItems") && value.size() < schema["minItems"]) return false;
    if (schema.contains("maxItems") && value.size() > schema["maxItems"]) return false;
    const json prefix = schema.value("prefixItems", json::array());
    const json items = schema.value("items", json(true));
    for (size_t i = 0; i < value.size(); ++i)
      if (!valid(i < prefix.size() ? prefix[i] : items, value[i])) return false;
    return true;
  }

  bool valid_object(const json& schema, const json& value) const {
    for (const json& name : schema.value("required", json::array()))
      if (!value.contains(name.get<std::string>())) return false;
    const json properties = schema.value("properties", json::object());
    const json others = schema.value("additionalProperties", json(true));
    for (const auto& [name, member] : value.items())
      if (!valid(properties.contains(name) ? properties[name] : others, member)) return false;
    return true;
  }

  const json root_;
};

}  // namespace bitnetc::test
