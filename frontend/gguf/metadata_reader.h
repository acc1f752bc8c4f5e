// Reads metadata by key and type, and remembers which keys were asked for, so that what nobody read
// can be reported. Used by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/gguf/gguf_file.h"
#include "runtime/status.h"

namespace bitnetc {

class MetadataReader {
 public:
  // `file` outlives the reader.
  explicit MetadataReader(const GgufFile& file) : file_(file) {}

  const std::string& origin() const { return file_.origin(); }
  bool has(std::string_view key) const { return file_.find_value(key) != nullptr; }
  // Null when absent. Marks the key as read.
  const GgufValue* find(const std::string& key);

  // Nothing when absent. Error: kDataCorrupt naming file, key, value and what was expected.
  Result<std::optional<int64_t>> integer(const std::string& key, int64_t min, int64_t max);
  Result<std::optional<double>> number(const std::string& key, double min, double max);
  Result<std::optional<bool>> boolean(const std::string& key);
  Result<std::optional<std::string>> text(const std::string& key);  // UTF-8
  // An integer, or an array with one and the same integer for every one of `count` layers.
  Result<std::optional<int64_t>> integer_per_layer(const std::string& key, int64_t min, int64_t max,
                                                   int64_t count);
  // As above, but absence is an error too.
  Result<int64_t> required_integer(const std::string& key, int64_t min, int64_t max);
  Result<double> required_number(const std::string& key, double min, double max);
  Result<std::string> required_text(const std::string& key);
  Result<std::vector<std::string_view>> required_texts(const std::string& key);  // into the file
  Result<std::vector<int64_t>> required_integers(const std::string& key);
  Result<std::vector<double>> required_numbers(const std::string& key);

  // kUnsupported unless the key is absent or its number is `only`.
  Status expect_number(const std::string& key, double only);
  // The same for a string that must be one of `only`.
  Status expect_text(const std::string& key, std::initializer_list<std::string_view> only);

  // The keys nobody has read, in order.
  std::vector<std::string> unread() const;

  template <typename... Args>
  Status error(StatusCode code, fmt::format_string<Args...> format, Args&&... args) const {
    return make_error(code, "{}: {}", origin(), fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  Status wrong(const std::string& key, const GgufValue& value, const std::string& expected) const;
  Status missing(const std::string& key) const;

  const GgufFile& file_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace bitnetc
