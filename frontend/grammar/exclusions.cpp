#include "frontend/grammar/exclusions.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace bitnetc::grammar {
namespace {

constexpr std::array<std::string_view, 6> kTypes = {"object", "array",  "boolean",
                                                    "null",   "number", "string"};
constexpr uint32_t kObject = 1, kAllTypes = (1u << kTypes.size()) - 1;

uint32_t type_bit(const SchemaJson& type) {
  if (!type.is_string()) return 0;
  const auto& name = type.get_ref<const std::string&>();
  const auto found = std::ranges::find(kTypes, name == "integer" ? "number" : name);
  return found == kTypes.end() ? 0 : 1u << (found - kTypes.begin());
}

uint32_t types_of(const SchemaJson& schema) {
  const auto at = schema.find("type");
  if (at == schema.end()) return kAllTypes;
  if (!at->is_array()) return type_bit(*at);
  uint32_t types = 0;
  for (const SchemaJson& each : *at) types |= type_bit(each);
  return types;
}

template <typename Ids>
bool share_none(const Ids& a, const Ids& b) {
  for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
    if (*x == *y) return false;
    if (*x < *y)
      ++x;
    else
      ++y;
  }
  return true;
}

}  // namespace

// The values that alone are valid, if the schema lists them.
std::optional<Exclusions::Ids> Exclusions::constants_of(const SchemaJson& schema) {
  Ids ids;
  const auto add = [&](const SchemaJson& value) {
    ids.push_back(ids_.emplace(value, static_cast<uint32_t>(ids_.size())).first->second);
  };
  if (const auto one = schema.find("const"); one != schema.end()) {
    add(*one);
  } else if (const auto list = schema.find("enum"); list != schema.end() && list->is_array()) {
    for (const SchemaJson& each : *list) add(each);
  } else {
    return std::nullopt;
  }
  std::ranges::sort(ids);
  return ids;
}

std::map<uint32_t, Exclusions::Ids> Exclusions::required_constants_of(const SchemaJson& schema) {
  std::map<uint32_t, Ids> found;
  const auto properties = schema.find("properties"), required = schema.find("required");
  if (properties == schema.end() || !properties->is_object()) return found;
  if (required == schema.end() || !required->is_array()) return found;
  std::set<std::string> names;
  for (const SchemaJson& each : *required)
    if (each.is_string()) names.insert(each.get<std::string>());
  for (const auto& [name, property] : properties->items()) {
    if (!property.is_object() || !names.contains(name)) continue;
    std::optional<Ids> constants = constants_of(property);
    if (!constants) continue;
    const auto id = name_ids_.emplace(name, static_cast<uint32_t>(name_ids_.size())).first->second;
    found.emplace(id, *std::move(constants));
  }
  return found;
}

Exclusions::Facts Exclusions::facts_of(const SchemaJson& schema) {
  if (!schema.is_object()) return {};
  Facts facts = {.is_object = true,
                 .types = types_of(schema),
                 .constants = constants_of(schema),
                 .properties = {}};
  if (facts.types == kObject) facts.properties = required_constants_of(schema);
  return facts;
}

bool Exclusions::are_apart(const Facts& a, const Facts& b) {
  if (!a.is_object || !b.is_object) return false;
  if ((a.types & b.types) == 0) return true;
  if (a.constants && b.constants && share_none(*a.constants, *b.constants)) return true;
  for (auto x = a.properties.begin(), y = b.properties.begin();
       x != a.properties.end() && y != b.properties.end();) {
    if (x->first == y->first && share_none(x->second, y->second)) return true;
    if (x->first <= y->first)
      ++x;
    else
      ++y;
  }
  return false;
}

std::optional<size_t> Exclusions::add(const SchemaJson& schema) {
  facts_.push_back(facts_of(schema));
  for (size_t i = 0; i + 1 < facts_.size(); ++i)
    if (!are_apart(facts_[i], facts_.back())) return i;
  return std::nullopt;
}

}  // namespace bitnetc::grammar
