// Reads the fields of one JSON object by name and type, and remembers which were asked for, so that
// what nobody read can be reported. A null value counts as absent. Private to frontend/.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/status.h"

namespace bitnetc {

// The numbers a field may hold, and how a message calls them: "a positive number".
struct NumberRange {
  double min, max;
  std::string_view text;
};

inline constexpr NumberRange kPositive{std::numeric_limits<float>::min(),
                                       std::numeric_limits<float>::max(), "a positive number"};

class ObjectReader {
 public:
  // `where`, printable, opens every message: "model/config.json", or
  // "model/config.json: rope_parameters" for a nested object. `object` must outlive the reader.
  static Result<ObjectReader> open(const nlohmann::json& object, std::string where);

  // Null when absent. Marks the key as read.
  const nlohmann::json* find(const std::string& key);

  // Error: kDataCorrupt naming the key and the value when the type or the range is wrong.
  Result<std::optional<int64_t>> integer(const std::string& key, int64_t min, int64_t max);
  Result<std::optional<double>> number(const std::string& key, const NumberRange& range);
  Result<std::optional<bool>> boolean(const std::string& key);
  Result<std::optional<std::string>> text(const std::string& key);
  Result<std::optional<ObjectReader>> object(const std::string& key);
  // An integer or a list of integers; empty when absent.
  Result<std::vector<int32_t>> token_ids(const std::string& key, int64_t vocab_size);
  // As above, but absence is an error too.
  Result<int64_t> required_integer(const std::string& key, int64_t min, int64_t max);
  Result<double> required_number(const std::string& key, const NumberRange& range);
  Result<std::string> required_text(const std::string& key);

  // kUnsupported unless the key is absent or has exactly this value.
  Status expect(const std::string& key, const nlohmann::json& only_value);

  // One line for each key nobody has read: with `reason` for the keys in `known`, else as unknown.
  void report_rest(std::span<const std::string_view> known, std::string_view reason,
                   std::vector<std::string>* report) const;

  template <typename... Args>
  Status error(StatusCode code, fmt::format_string<Args...> format, Args&&... args) const {
    return error_text(code, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  ObjectReader(const nlohmann::json& object, std::string where)
      : object_(&object), where_(std::move(where)) {}
  Status error_text(StatusCode code, const std::string& text) const;
  Status wrong(const std::string& key, const nlohmann::json& value,
               const std::string& expected) const;
  Status missing(const std::string& key) const;

  const nlohmann::json* object_;
  std::string where_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace bitnetc
