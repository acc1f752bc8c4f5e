#include "tools/serve/api/fields.h"

#include <cmath>
#include <limits>

#include "runtime/printable.h"

namespace bitnetc::serve {

const Json* Fields::find(const char* name) {
  read_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::fail(ApiError error) {
  if (!error_) error_ = std::move(error);
}

void Fields::fail_at(const std::string& path, const std::string& what) {
  fail(bad_request(fmt::format("'{}': {}", path, what), path));
}

void Fields::expect(const char* name, const std::string& what) {
  fail(bad_request(
      fmt::format("'{}': {} is not {}", path(name), printable(dump(object_.at(name)), 60), what),
      path(name)));
}

std::optional<bool> Fields::boolean(const char* name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  expect(name, "true or false");
  return std::nullopt;
}

// A whole number may be written with a point: 8.0.
std::optional<int64_t> Fields::integer(const char* name, int64_t least, int64_t most) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  constexpr double kExact = 9007199254740992.0;
  std::optional<int64_t> whole;
  if (value->is_number_unsigned()) {
    const auto number = value->get<uint64_t>();
    if (number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      whole = static_cast<int64_t>(number);
  } else if (value->is_number_integer()) {
    whole = value->get<int64_t>();
  } else if (value->is_number_float()) {
    const auto number = value->get<double>();
    if (std::abs(number) <= kExact && number == std::trunc(number))
      whole = static_cast<int64_t>(number);
  }
  if (whole && *whole >= least && *whole <= most) return whole;
  const bool is_beyond = !whole && value->is_number() && value->get<double>() > kExact;
  expect(name, most == std::numeric_limits<int64_t>::max() && !is_beyond
                   ? fmt::format("a whole number, {} or more", least)
                   : fmt::format("a whole number from {} to {}", least, most));
  return std::nullopt;
}

std::optional<double> Fields::number(const char* name, double least, double most) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    const auto number = value->get<double>();
    if (number >= least && number <= most) return number;
  }
  expect(name, most == std::numeric_limits<double>::max()
                   ? fmt::format("a number, {:g} or more", least)
                   : fmt::format("a number from {:g} to {:g}", least, most));
  return std::nullopt;
}

std::optional<std::string> Fields::text(const char* name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  expect(name, "a text");
  return std::nullopt;
}

std::vector<std::string> Fields::texts(const char* name, size_t most, size_t most_bytes) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  std::vector<std::string> texts;
  if (value->is_string()) {
    texts.push_back(value->get<std::string>());
  } else {
    bool is_good = value->is_array() && value->size() <= most;
    for (size_t i = 0; is_good && i < value->size(); ++i) {
      is_good = (*value)[i].is_string();
      if (is_good) texts.push_back((*value)[i].get<std::string>());
    }
    if (!is_good) expect(name, fmt::format("a text or a list of at most {} texts", most));
  }
  for (const std::string& each : texts)
    if (each.size() > most_bytes)
      expect(name, fmt::format("a list of texts of at most {} bytes", most_bytes));
  return texts;
}

void Fields::refuse(const char* name, const char* why, const Json& harmless) {
  const Json* value = find(name);
  if (value != nullptr && *value != harmless) fail(unsupported_field(path(name), why));
}

void Fields::accept_without_effect(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (find(name) != nullptr) without_effect_.insert(name);
}

std::vector<std::string> Fields::ignored() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : object_.items())
    if (!read_.contains(name) || without_effect_.contains(name))
      names.push_back(path(name.c_str()));
  names.insert(names.end(), paths_without_effect_.begin(), paths_without_effect_.end());
  return names;
}

}  // namespace bitnetc::serve
