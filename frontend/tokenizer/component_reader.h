// Reads the members of one JSON object strictly: what is missing, of the wrong type or left unread
// is an error that names its path and value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/tokenizer/tokenizer_document.h"
#include "runtime/status.h"

namespace bitnetc {

class ComponentReader {
 public:
  // `path` is where `value` stands ("pre_tokenizer.pretokenizers[0]"; empty for the root).
  static Result<ComponentReader> open(const JsonValue& value, std::string path);

  const std::string& path() const { return path_; }
  std::string path_of(std::string_view key) const;

  // The member, marked as read; null if it is absent or JSON null.
  const JsonValue* take(std::string_view key);

  Result<bool> boolean(std::string_view key);
  Result<bool> boolean_or(std::string_view key, bool fallback);
  Result<std::string> string(std::string_view key);
  Result<int32_t> integer(std::string_view key, int32_t min, int32_t max);
  Result<const JsonValue*> array(std::string_view key);
  Result<const JsonValue*> object(std::string_view key);

  // kUnsupported: "pre_tokenizer.type = "Metaspace" is not supported; supported: Sequence, Split".
  Status unsupported(std::string_view key, std::string_view supported) const;
  Status mistake(std::string_view key, std::string_view expected) const;  // kDataCorrupt

  // kUnsupported naming the first member that nobody has read.
  Status finish() const;

 private:
  ComponentReader(const JsonValue& object, std::string path)
      : object_(&object), path_(std::move(path)), is_read_(object.keys.size(), false) {}

  const JsonValue* object_;
  std::string path_;
  std::vector<bool> is_read_;
};

}  // namespace bitnetc
