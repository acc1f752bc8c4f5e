#include "frontend/tokenizer/component_reader.h"

#include <algorithm>

namespace bitnetc {

Result<ComponentReader> ComponentReader::open(const JsonValue& value, std::string path) {
  if (value.kind != JsonValue::Kind::kObject) {
    return make_error(StatusCode::kDataCorrupt, "{} = {}: expected an object",
                      path.empty() ? "the document" : path, describe(value));
  }
  return ComponentReader(value, std::move(path));
}

std::string ComponentReader::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const JsonValue* ComponentReader::take(std::string_view key) {
  const auto it = std::find(object_->keys.begin(), object_->keys.end(), key);
  if (it == object_->keys.end()) return nullptr;
  const auto index = static_cast<size_t>(it - object_->keys.begin());
  is_read_[index] = true;
  const JsonValue& value = object_->items[index];
  return value.kind == JsonValue::Kind::kNull ? nullptr : &value;
}

Result<bool> ComponentReader::boolean(std::string_view key) {
  const JsonValue* value = take(key);
  if (value == nullptr || value->kind != JsonValue::Kind::kBoolean) {
    return mistake(key, "true or false");
  }
  return value->boolean;
}

Result<bool> ComponentReader::boolean_or(std::string_view key, bool fallback) {
  return take(key) == nullptr ? Result<bool>(fallback) : boolean(key);
}

Result<std::string> ComponentReader::string(std::string_view key) {
  const JsonValue* value = take(key);
  if (value == nullptr || value->kind != JsonValue::Kind::kString) return mistake(key, "a string");
  return value->text;
}

Result<int32_t> ComponentReader::integer(std::string_view key, int32_t min, int32_t max) {
  const JsonValue* value = take(key);
  if (value == nullptr || value->kind != JsonValue::Kind::kInteger || value->integer < min ||
      value->integer > max) {
    return mistake(key, fmt::format("an integer in [{}, {}]", min, max));
  }
  return static_cast<int32_t>(value->integer);
}

Result<const JsonValue*> ComponentReader::array(std::string_view key) {
  const JsonValue* value = take(key);
  if (value == nullptr || value->kind != JsonValue::Kind::kArray) return mistake(key, "an array");
  return value;
}

Result<const JsonValue*> ComponentReader::object(std::string_view key) {
  const JsonValue* value = take(key);
  if (value == nullptr || value->kind != JsonValue::Kind::kObject) return mistake(key, "an object");
  return value;
}

Status ComponentReader::unsupported(std::string_view key, std::string_view supported) const {
  const JsonValue* value = object_->find(key);
  return make_error(StatusCode::kUnsupported, "{} = {} is not supported; supported: {}",
                    path_of(key), value == nullptr ? "(missing)" : describe(*value), supported);
}

Status ComponentReader::mistake(std::string_view key, std::string_view expected) const {
  const JsonValue* value = object_->find(key);
  if (value == nullptr) {
    return make_error(StatusCode::kDataCorrupt, "{} is missing: expected {}", path_of(key),
                      expected);
  }
  return make_error(StatusCode::kDataCorrupt, "{} = {}: expected {}", path_of(key),
                    describe(*value), expected);
}

Status ComponentReader::finish() const {
  const auto it = std::find(is_read_.begin(), is_read_.end(), false);
  if (it == is_read_.end()) return {};
  const auto index = static_cast<size_t>(it - is_read_.begin());
  return make_error(StatusCode::kUnsupported, "{} = {}: an unknown key",
                    path_of(object_->keys[index]), describe(object_->items[index]));
}

}  // namespace bitnetc
