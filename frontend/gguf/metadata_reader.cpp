#include "frontend/gguf/metadata_reader.h"

#include <algorithm>
#include <cmath>

#include "frontend/tokenizer/utf8.h"

namespace bitnetc {

const GgufValue* MetadataReader::find(const std::string& key) {
  read_.insert(key);
  return file_.find_value(key);
}

Status MetadataReader::wrong(const std::string& key, const GgufValue& value,
                             const std::string& expected) const {
  return error(StatusCode::kDataCorrupt, "{} is {}, expected {}", key, describe(value), expected);
}

Status MetadataReader::missing(const std::string& key) const {
  return error(StatusCode::kDataCorrupt, "{} is missing", key);
}

Result<std::optional<int64_t>> MetadataReader::integer(const std::string& key, int64_t min,
                                                       int64_t max) {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<int64_t>();
  const auto integer = value->integer();
  if (!integer || *integer < min || *integer > max)
    return wrong(key, *value, fmt::format("an integer from {} to {}", min, max));
  return integer;
}

Result<std::optional<double>> MetadataReader::number(const std::string& key, double min,
                                                     double max) {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<double>();
  const auto number = value->number();
  if (!number || !(*number >= min && *number <= max))
    return wrong(key, *value, fmt::format("a number from {} to {}", min, max));
  return number;
}

Result<std::optional<bool>> MetadataReader::boolean(const std::string& key) {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  const auto flag = value->boolean();
  if (!flag) return wrong(key, *value, "a bool");
  return flag;
}

Result<std::optional<std::string>> MetadataReader::text(const std::string& key) {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::string>();
  const auto text = value->text();
  if (!text || find_invalid_utf8(*text) != text->npos)
    return wrong(key, *value, "a string in UTF-8");
  return std::optional(std::string(*text));
}

Result<std::optional<int64_t>> MetadataReader::integer_per_layer(const std::string& key,
                                                                 int64_t min, int64_t max,
                                                                 int64_t count) {
  const GgufValue* value = find(key);
  if (value == nullptr || value->type != GgufValueType::kArray) return integer(key, min, max);
  const auto integers = value->integers();
  const bool fits =
      integers && std::ssize(*integers) == count &&
      std::ranges::all_of(*integers, [&](int64_t each) { return each >= min && each <= max; });
  if (!fits)
    return wrong(key, *value,
                 fmt::format("an integer from {} to {}, or {} of them", min, max, count));
  const auto other =
      std::ranges::find_if(*integers, [&](int64_t each) { return each != integers->front(); });
  if (other != integers->end())
    return error(StatusCode::kUnsupported,
                 "{} is {} for layer 0 and {} for layer {}; layers that differ are not supported",
                 key, integers->front(), *other, other - integers->begin());
  return std::optional(integers->front());
}

Result<int64_t> MetadataReader::required_integer(const std::string& key, int64_t min, int64_t max) {
  BITNETC_ASSIGN_OR_RETURN(const auto value, integer(key, min, max));
  if (!value) return missing(key);
  return *value;
}

Result<double> MetadataReader::required_number(const std::string& key, double min, double max) {
  BITNETC_ASSIGN_OR_RETURN(const auto value, number(key, min, max));
  if (!value) return missing(key);
  return *value;
}

Result<std::string> MetadataReader::required_text(const std::string& key) {
  BITNETC_ASSIGN_OR_RETURN(const auto value, text(key));
  if (!value) return missing(key);
  return *value;
}

Result<std::vector<std::string_view>> MetadataReader::required_texts(const std::string& key) {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  auto texts = value->texts();
  if (!texts) return wrong(key, *value, "an array of strings");
  return *std::move(texts);
}

Result<std::vector<int64_t>> MetadataReader::required_integers(const std::string& key) {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  auto integers = value->integers();
  if (!integers) return wrong(key, *value, "an array of integers");
  return *std::move(integers);
}

Result<std::vector<double>> MetadataReader::required_numbers(const std::string& key) {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  auto numbers = value->numbers();
  if (!numbers) return wrong(key, *value, "an array of numbers");
  return *std::move(numbers);
}

Status MetadataReader::expect_number(const std::string& key, double only) {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  const auto number = value->number();
  if (number && *number == only) return {};
  return error(StatusCode::kUnsupported, "{} = {} is not supported, only {} is", key,
               describe(*value), only);
}

Status MetadataReader::expect_text(const std::string& key,
                                   std::initializer_list<std::string_view> only) {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  const auto text = value->text();
  if (text && std::ranges::find(only, *text) != only.end()) return {};
  return error(StatusCode::kUnsupported, "{} = {} is not supported, only \"{}\" is", key,
               describe(*value), fmt::join(only, "\" or \""));
}

std::vector<std::string> MetadataReader::unread() const {
  std::vector<std::string> keys;
  for (const auto& entry : file_.metadata())
    if (!read_.contains(entry.first)) keys.push_back(entry.first);
  return keys;
}

}  // namespace bitnetc
