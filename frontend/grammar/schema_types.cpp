// The types of a schema: strings, numbers, arrays, objects.
#include <cmath>

#include "frontend/grammar/regex_parser.h"
#include "frontend/grammar/schema_reader.h"
#include "frontend/grammar/source_text.h"
#include "frontend/unicode/utf8.h"
#include "runtime/printable.h"

namespace bitnetc::grammar {
namespace {

constexpr size_t kMostNameBytes = 256;

// Regular expressions of the formats that are honoured. Each is of some texts of its format only,
// where all would be more than anyone writes.
const std::map<std::string, std::string>& format_patterns() {
  static const std::string date =
      "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|"
      "02-(0[1-9]|1[0-9]|2[0-8]))";
  static const std::string time =
      "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]"
      ")";
  static const std::string octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  static const std::map<std::string, std::string> patterns = {
      {"date", date},
      {"time", time},
      {"date-time", "(" + date + ")T" + time},
      {"ipv4", octet + "(\\." + octet + "){3}"},
      {"uuid", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"},
      {"email",
       "[a-z0-9]{1,20}([._+-][a-z0-9]{1,20}){0,4}@([a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,3}\\.){1,4}"
       "[a-z]{2,10}"}};
  return patterns;
}

// Which type a keyword is of; types are not written where they follow from it.
const std::pair<const char*, const char*> kTypeOfKeyword[] = {
    {"properties", "object"}, {"required", "object"},         {"additionalProperties", "object"},
    {"items", "array"},       {"prefixItems", "array"},       {"minItems", "array"},
    {"maxItems", "array"},    {"minLength", "string"},        {"maxLength", "string"},
    {"pattern", "string"},    {"format", "string"},           {"minimum", "number"},
    {"maximum", "number"},    {"exclusiveMinimum", "number"}, {"exclusiveMaximum", "number"}};

// In decimal, without an exponent. Nothing: it needs one, or more than 15 digits before its point.
std::optional<std::string> decimal(const SchemaJson& number) {
  std::string text = number.dump();
  const size_t whole = std::min(text.find('.'), text.size());
  if (text.find('e') != std::string::npos || whole > 16) return std::nullopt;
  return text;
}

}  // namespace

Result<std::vector<std::string>> SchemaReader::types(const SchemaJson& schema,
                                                     const std::string& pointer) const {
  std::vector<std::string> names;
  const auto add = [&](const SchemaJson& name) {
    static constexpr const char* kTypes[] = {"array",  "boolean", "integer", "null",
                                             "number", "object",  "string"};
    const bool is_type =
        std::ranges::any_of(kTypes, [&](const char* type) { return name == type; });
    if (is_type) names.push_back(name.get<std::string>());
    return is_type;
  };
  const auto type = schema.find("type");
  bool is_right = true;
  if (type == schema.end()) {
    for (const auto& [keyword, of] : kTypeOfKeyword)
      if (schema.contains(keyword) && std::ranges::find(names, of) == names.end())
        names.emplace_back(of);
  } else if (type->is_array() && !type->empty()) {
    for (const SchemaJson& each : *type) is_right = is_right && add(each);
  } else {
    is_right = add(*type);
  }
  if (!is_right)
    return schema_error(StatusCode::kInvalidArgument, pointer + "/type",
                        "expected array, boolean, integer, null, number, object, string or a list "
                        "of them");
  // Whole numbers are numbers.
  if (std::ranges::find(names, "number") != names.end()) std::erase(names, "integer");
  return names;
}

SchemaReader::Part SchemaReader::value_of_type(const std::string& type, const SchemaJson& schema,
                                               const std::string& pointer, int depth) {
  if (type == "null") return grammar_.bytes("null");
  if (type == "boolean") return grammar_.choice({grammar_.bytes("true"), grammar_.bytes("false")});
  if (type == "string") return string(schema, pointer);
  if (type == "integer") return integer(schema, pointer);
  if (type == "number") return number(schema, pointer);
  return type == "array" ? array(schema, pointer, depth) : object(schema, pointer, depth);
}

Result<uint32_t> SchemaReader::count(const SchemaJson& schema, const char* keyword,
                                     uint32_t otherwise, const std::string& pointer) const {
  const auto at = schema.find(keyword);
  if (at == schema.end()) return otherwise;
  if (!at->is_number_unsigned() || at->get<uint64_t>() > kMostRepetitions)
    return schema_error(StatusCode::kInvalidArgument, pointer + "/" + keyword,
                        fmt::format("expected a whole number from 0 to {}", kMostRepetitions));
  return at->get<uint32_t>();
}

SchemaReader::Part SchemaReader::string(const SchemaJson& schema, const std::string& pointer) {
  BITNETC_ASSIGN_OR_RETURN(const uint32_t least, count(schema, "minLength", 0, pointer));
  BITNETC_ASSIGN_OR_RETURN(const uint32_t most, count(schema, "maxLength", kUnlimited, pointer));
  if (least > most)
    return schema_error(StatusCode::kInvalidArgument, pointer, "minLength is above maxLength");
  const auto pattern = schema.find("pattern"), format = schema.find("format");
  const bool has_pattern = pattern != schema.end(), has_format = format != schema.end();
  if (!has_pattern && !has_format) return texts_.string(least, most);
  const std::string at = pointer + (has_pattern ? "/pattern" : "/format");
  if ((has_pattern && has_format) || schema.contains("minLength") || schema.contains("maxLength"))
    return schema_error(StatusCode::kUnsupported, at,
                        "expected only one of pattern, format, and minLength with maxLength");
  const SchemaJson& written = has_pattern ? *pattern : *format;
  if (!written.is_string())
    return schema_error(StatusCode::kInvalidArgument, at, "expected a text");
  std::string source = written.get<std::string>();
  if (has_format) {
    const auto known = format_patterns().find(source);
    if (known == format_patterns().end())
      return schema_error(StatusCode::kUnsupported, at,
                          fmt::format("\"{}\": expected date, time, date-time, email, ipv4 or uuid",
                                      printable(source, 40)));
    source = "^(" + known->second + ")$";
  }
  const Part content = parse_regex(source, RegexUse::kJsonSearch, grammar_);
  if (!content.ok()) return schema_error(content.status().code(), at, content.status().message());
  return grammar_.sequence({grammar_.bytes("\""), *content, grammar_.bytes("\"")});
}

Result<NumberBounds> SchemaReader::bounds(const SchemaJson& schema,
                                          const std::string& pointer) const {
  NumberBounds found;
  const auto read = [&](const char* keyword, std::optional<std::string>& bound) -> Status {
    const auto at = schema.find(keyword);
    if (at == schema.end()) return {};
    if (!at->is_number())
      return schema_error(StatusCode::kInvalidArgument, pointer + "/" + keyword,
                          "expected a number");
    bound = decimal(*at);
    if (bound) return {};
    return schema_error(StatusCode::kUnsupported, pointer + "/" + keyword,
                        "expected a number of at most 15 digits before its point, and no smaller "
                        "than is written without an exponent");
  };
  std::optional<std::string> above, below;
  BITNETC_RETURN_IF_ERROR(read("minimum", found.least));
  BITNETC_RETURN_IF_ERROR(read("maximum", found.most));
  BITNETC_RETURN_IF_ERROR(read("exclusiveMinimum", above));
  BITNETC_RETURN_IF_ERROR(read("exclusiveMaximum", below));
  if (above && (!found.least || std::stod(*above) >= std::stod(*found.least))) {
    found.least = above;
    found.above_least = true;
  }
  if (below && (!found.most || std::stod(*below) <= std::stod(*found.most))) {
    found.most = below;
    found.below_most = true;
  }
  return found;
}

SchemaReader::Part SchemaReader::number(const SchemaJson& schema, const std::string& pointer) {
  BITNETC_ASSIGN_OR_RETURN(const NumberBounds found, bounds(schema, pointer));
  if (!found.any()) return texts_.number();
  if (const auto made = texts_.number_between(found)) return *made;
  return schema_error(StatusCode::kInvalidArgument, pointer, "no number is between the bounds");
}

SchemaReader::Part SchemaReader::integer(const SchemaJson& schema, const std::string& pointer) {
  // Beyond 2^62 a bound is as good as none: no more than kMostDigits digits are written.
  constexpr double kFar = 4e18;
  std::optional<int64_t> least, most;
  for (const char* keyword : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
    const auto at = schema.find(keyword);
    if (at == schema.end()) continue;
    if (!at->is_number())
      return schema_error(StatusCode::kInvalidArgument, pointer + "/" + keyword,
                          "expected a number");
    const bool is_least = std::string_view(keyword).ends_with("inimum");
    const bool is_exclusive = keyword[0] == 'e';
    const double value = at->get<double>();
    const bool far_out = std::abs(value) > kFar;
    if (far_out && (value < 0) == is_least) continue;
    if (far_out)
      return schema_error(StatusCode::kUnsupported, pointer + "/" + keyword,
                          "expected a bound of at most 4e18");
    const double rounded = is_least ? std::ceil(value) : std::floor(value);
    int64_t bound = at->is_number_integer() ? at->get<int64_t>() : static_cast<int64_t>(rounded);
    if (is_exclusive && rounded == value) bound += is_least ? 1 : -1;
    if (is_least) least = std::max(least.value_or(bound), bound);
    if (!is_least) most = std::min(most.value_or(bound), bound);
  }
  if (!least && !most) return texts_.integer();
  if (const auto made = texts_.integer_between(least, most)) return *made;
  return schema_error(StatusCode::kInvalidArgument, pointer,
                      "no whole number is between the bounds");
}

SchemaReader::Part SchemaReader::array(const SchemaJson& schema, const std::string& pointer,
                                       int depth) {
  BITNETC_ASSIGN_OR_RETURN(const uint32_t least, count(schema, "minItems", 0, pointer));
  BITNETC_ASSIGN_OR_RETURN(const uint32_t most, count(schema, "maxItems", kUnlimited, pointer));
  if (least > most)
    return schema_error(StatusCode::kInvalidArgument, pointer, "minItems is above maxItems");
  const auto items = schema.find("items"), prefix = schema.find("prefixItems");
  std::vector<ExpressionId> first;
  if (prefix != schema.end()) {
    if (!prefix->is_array())
      return schema_error(StatusCode::kInvalidArgument, pointer + "/prefixItems",
                          "expected a list of schemas");
    for (size_t i = 0; i < prefix->size() && i < most; ++i) {
      BITNETC_ASSIGN_OR_RETURN(
          const ExpressionId part,
          as_rule((*prefix)[i], fmt::format("{}/prefixItems/{}", pointer, i), depth + 1));
      first.push_back(part);
    }
  }
  const auto count_first = static_cast<uint32_t>(first.size());
  const bool has_others = most > count_first && (items == schema.end() || *items != false);
  if (!has_others && least > count_first)
    return schema_error(StatusCode::kInvalidArgument, pointer, "no array is long enough");
  std::optional<ExpressionId> other;
  if (has_others && (items != schema.end() || first.empty() || least > count_first)) {
    const SchemaJson any = true;
    BITNETC_ASSIGN_OR_RETURN(
        other, as_rule(items == schema.end() ? any : *items, pointer + "/items", depth + 1));
  }
  if (first.empty() && !other) return grammar_.bytes("[]");
  if (first.empty()) return texts_.list("[", *other, "]", least, most);
  // Items one behind the other; an end behind those that are enough.
  const auto end = count_first + 1;
  std::vector<NetworkEdge> edges;
  if (least == 0) edges.push_back({0, end, grammar_.empty()});
  for (uint32_t i = 0; i < count_first; ++i) {
    edges.push_back({i, i + 1, i == 0 ? first[i] : grammar_.sequence({texts_.comma(), first[i]})});
    const bool is_last = i + 1 == count_first;
    if (i + 1 >= least && !is_last) edges.push_back({i + 1, end, texts_.space()});
  }
  const uint32_t more_least = least > count_first ? least - count_first : 0;
  const uint32_t more_most = most == kUnlimited ? kUnlimited : most - count_first;
  ExpressionId tail = texts_.space();
  if (other)
    tail = grammar_.sequence(
        {grammar_.repetition(grammar_.sequence({texts_.comma(), *other}), more_least, more_most),
         tail});
  edges.push_back({count_first, end, tail});
  return grammar_.sequence({grammar_.bytes("["), texts_.space(),
                            grammar_.network(count_first + 2, std::move(edges)),
                            grammar_.bytes("]")});
}

// Properties in their order, each with a comma before it if it is not the first one written: node
// 2i says that none of the first i is, node 2i + 1 that one is.
SchemaReader::Part SchemaReader::object(const SchemaJson& schema, const std::string& pointer,
                                        int depth) {
  SchemaJson properties = schema.value("properties", SchemaJson::object());
  const SchemaJson required = schema.value("required", SchemaJson::array());
  const auto others = schema.find("additionalProperties");
  if (!properties.is_object())
    return schema_error(StatusCode::kInvalidArgument, pointer + "/properties",
                        "expected an object of schemas");
  if (!required.is_array() ||
      !std::ranges::all_of(required, [](const SchemaJson& each) { return each.is_string(); }))
    return schema_error(StatusCode::kInvalidArgument, pointer + "/required",
                        "expected a list of names");
  const bool has_others =
      others != schema.end() ? *others != false : properties.empty() && required.empty();
  if (properties.empty() && required.empty() && has_others &&
      (others == schema.end() || *others == true))
    return texts_.any_object();
  // What is required and not described may be anything that others may be.
  for (const SchemaJson& name : required)
    if (!properties.contains(name.get<std::string>()))
      properties[name.get<std::string>()] =
          others == schema.end() ? SchemaJson(true) : SchemaJson(*others);
  std::vector<NetworkEdge> edges;
  std::vector<std::string> names;
  uint32_t at = 0;
  const auto add_member = [&](ExpressionId member, uint32_t to) {
    edges.push_back({at, to, member});
    edges.push_back({at + 1, to, grammar_.sequence({texts_.comma(), member})});
  };
  for (const auto& [name, property] : properties.items()) {
    const std::string place = fmt::format("{}/properties/{}", pointer, name);
    if (name.size() > kMostNameBytes)
      return schema_error(StatusCode::kUnsupported, pointer + "/properties",
                          fmt::format("expected names of at most {} bytes", kMostNameBytes));
    names.push_back(name);
    const bool is_required = std::ranges::find(required, SchemaJson(name)) != required.end();
    if (property == false && !is_required) continue;
    BITNETC_ASSIGN_OR_RETURN(const ExpressionId its_value, as_rule(property, place, depth + 1));
    const ExpressionId member = grammar_.sequence(
        {grammar_.bytes(SchemaJson(name).dump() + ":"), texts_.space(), its_value});
    add_member(member, at + 3);
    if (!is_required) {
      edges.push_back({at, at + 2, grammar_.empty()});
      edges.push_back({at + 1, at + 3, grammar_.empty()});
    }
    at += 2;
  }
  if (has_others) {
    const SchemaJson any = true;
    BITNETC_ASSIGN_OR_RETURN(const ExpressionId its_value,
                             as_rule(others == schema.end() ? any : *others,
                                     pointer + "/additionalProperties", depth + 1));
    add_member(grammar_.sequence(
                   {texts_.string_but(names), grammar_.bytes(":"), texts_.space(), its_value}),
               at + 1);
  }
  edges.push_back({at, at + 2, grammar_.empty()});
  edges.push_back({at + 1, at + 2, texts_.space()});
  return grammar_.sequence({grammar_.bytes("{"), texts_.space(),
                            grammar_.network(at + 3, std::move(edges)), grammar_.bytes("}")});
}

}  // namespace bitnetc::grammar
