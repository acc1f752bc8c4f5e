// What the operations share to read their spec names and to check their numbers.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "codegen/weight_layout.h"
#include "runtime/float_type.h"
#include "runtime/kv_type.h"
#include "runtime/status.h"

namespace bitnetc {

// Reads the '_'-separated parts of a spec name from left to right; the first part that does not fit
// is remembered, and what follows it does not matter.
class NameReader {
 public:
  explicit NameReader(std::string_view text) : rest_(text) {}

  std::string_view next();
  // The next part must be exactly `word`.
  void expect(std::string_view word);
  // Whether `word` comes next; if so it is read.
  bool take(std::string_view word);
  void fail(std::string_view expected);

  // The next part must be `prefix` followed by a number.
  template <typename Number>
  Number number(std::string_view prefix) {
    const std::string_view part = next();
    Number value{};
    if (part.substr(0, prefix.size()) != prefix) return fail(prefix), value;
    const char* end = part.data() + part.size();
    auto [stop, error] = std::from_chars(part.data() + prefix.size(), end, value);
    if (error != std::errc() || stop != end) fail(prefix);
    return value;
  }
  // As number(), or `value` where `word` stands for it.
  template <typename Number>
  Number number_or(std::string_view prefix, std::string_view word, Number value) {
    if (take(std::string(prefix) + std::string(word))) return value;
    const auto number_read = number<Number>(prefix);
    if (number_read == value) fail(prefix);  // one name each
    return number_read;
  }
  FloatType float_type();
  LayoutId layout();
  // The type of keys and values at the end of a name; f16 where it says nothing.
  KvType kv_type();

  bool at_end() const { return rest_.empty(); }
  // "'i3s' where 'a layout such as i2s...' was expected"; empty: nothing failed.
  const std::string& failure() const { return failed_; }

 private:
  std::string_view rest_, last_;
  std::string failed_;
};

// What NameReader::kv_type() reads: "_kvi8"; empty for f16.
std::string kv_type_suffix(KvType type);

// Error: kInvalidArgument, "<name>: <field> = <value>, expected 1..2147483647".
Status check_dimension(const std::string& name, const char* field, int64_t value);

}  // namespace bitnetc
