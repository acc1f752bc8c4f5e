#include "frontend/json/object_reader.h"

#include <algorithm>

#include "frontend/json/strict_json.h"
#include "runtime/printable.h"

namespace bitnetc {

using Json = nlohmann::json;

Result<ObjectReader> ObjectReader::open(const Json& object, std::string where) {
  if (!object.is_object())
    return make_error(StatusCode::kDataCorrupt, "{}: is {}, expected an object", where,
                      json_excerpt(object));
  return ObjectReader(object, std::move(where));
}

const Json* ObjectReader::find(const std::string& key) {
  read_.insert(key);
  const auto it = object_->find(key);
  return it == object_->end() || it->is_null() ? nullptr : &*it;
}

Status ObjectReader::error_text(StatusCode code, const std::string& text) const {
  return make_error(code, "{}: {}", where_, printable(text));
}

Status ObjectReader::wrong(const std::string& key, const Json& value,
                           const std::string& expected) const {
  return error(StatusCode::kDataCorrupt, "{} is {}, expected {}", key, json_excerpt(value),
               expected);
}

Status ObjectReader::missing(const std::string& key) const {
  return error(StatusCode::kDataCorrupt, "{} is missing", key);
}

Result<std::optional<int64_t>> ObjectReader::integer(const std::string& key, int64_t min,
                                                     int64_t max) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<int64_t>();
  // An unsigned value past int64 would wrap; the parser keeps signed and unsigned apart.
  const bool fits = value->is_number_integer() &&
                    !(value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX});
  if (!fits || value->get<int64_t>() < min || value->get<int64_t>() > max)
    return wrong(key, *value, fmt::format("an integer from {} to {}", min, max));
  return std::optional<int64_t>(value->get<int64_t>());
}

Result<std::optional<double>> ObjectReader::number(const std::string& key,
                                                   const NumberRange& range) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<double>();
  const bool valid =
      value->is_number() && value->get<double>() >= range.min && value->get<double>() <= range.max;
  if (!valid) return wrong(key, *value, std::string(range.text));
  return std::optional<double>(value->get<double>());
}

Result<std::optional<bool>> ObjectReader::boolean(const std::string& key) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return wrong(key, *value, "true or false");
  return std::optional<bool>(value->get<bool>());
}

Result<std::optional<std::string>> ObjectReader::text(const std::string& key) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return wrong(key, *value, "a string");
  return std::optional<std::string>(value->get<std::string>());
}

Result<std::optional<ObjectReader>> ObjectReader::object(const std::string& key) {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<ObjectReader>();
  BITNETC_ASSIGN_OR_RETURN(ObjectReader reader, open(*value, where_ + ": " + key));
  return std::optional<ObjectReader>(std::move(reader));
}

Result<std::vector<int32_t>> ObjectReader::token_ids(const std::string& key, int64_t vocab_size) {
  std::vector<int32_t> ids;
  const Json* value = find(key);
  if (value == nullptr) return ids;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& id : list) {
    const bool valid =
        id.is_number_unsigned() && id.get<uint64_t>() < static_cast<uint64_t>(vocab_size);
    if (!valid)
      return wrong(key, *value,
                   fmt::format("a token id, or a list of them, below vocab_size = {}", vocab_size));
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

Result<int64_t> ObjectReader::required_integer(const std::string& key, int64_t min, int64_t max) {
  BITNETC_ASSIGN_OR_RETURN(const auto value, integer(key, min, max));
  if (!value) return missing(key);
  return *value;
}

Result<double> ObjectReader::required_number(const std::string& key, const NumberRange& range) {
  BITNETC_ASSIGN_OR_RETURN(const auto value, number(key, range));
  if (!value) return missing(key);
  return *value;
}

Result<std::string> ObjectReader::required_text(const std::string& key) {
  BITNETC_ASSIGN_OR_RETURN(const auto value, text(key));
  if (!value) return missing(key);
  return *value;
}

Status ObjectReader::expect(const std::string& key, const Json& only_value) {
  const Json* value = find(key);
  if (value == nullptr || *value == only_value) return {};
  return error(StatusCode::kUnsupported, "{} = {} is not supported, only {} is", key,
               json_excerpt(*value), only_value.dump());
}

void ObjectReader::report_rest(std::span<const std::string_view> known, std::string_view reason,
                               std::vector<std::string>* report) const {
  for (const auto& [key, value] : object_->items()) {
    if (read_.contains(key)) continue;
    const bool is_known = std::find(known.begin(), known.end(), key) != known.end();
    report->push_back(fmt::format("{}: {} = {} ({})", where_, printable(key), json_excerpt(value),
                                  is_known ? reason : "unknown key"));
  }
}

}  // namespace bitnetc
