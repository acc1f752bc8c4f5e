// Reads one line of a profile from left to right.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "autotune/profile/text.h"

namespace bitnetc {

// The first part that does not fit stops it: from then on nothing is read, and failure() says what
// was expected.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}

  void expect(std::string_view text) {
    if (!rest_.starts_with(text)) return fail(quote(text));
    rest_.remove_prefix(text.size());
  }
  void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }
  // As far as `stop`, which is left.
  std::string_view until(char stop) {
    const std::string_view word = rest_.substr(0, rest_.find(stop));
    rest_.remove_prefix(word.size());
    return word;
  }
  int64_t integer() {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < 0) return fail("a whole number from 0 on"), 0;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }
  // A whole number below `limit`.
  int small(int64_t limit) {
    const std::string_view at = rest_;
    const int64_t value = integer();
    if (value < limit) return static_cast<int>(value);
    rest_ = at;
    return fail(fmt::format("a whole number below {}", limit)), 0;
  }
  // "61.2000" with so many decimals, in units of the last one.
  int64_t ticks(int decimals) {
    constexpr int64_t kMostWhole = 100'000'000'000;
    const std::string_view at = rest_;
    int64_t value = integer();
    expect(".");
    for (int i = 0; i < decimals && failure_.empty(); ++i) {
      const bool is_digit = !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9';
      if (!is_digit || value > kMostWhole) {
        rest_ = at;
        return fail(fmt::format("a number with {} decimals", decimals)), 0;
      }
      value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }
  bool at_end() const { return rest_.empty(); }

  // What comes next is not what was expected.
  void fail(const std::string& expected) {
    refuse(rest_.empty() ? "the end" : quote(rest_), expected);
  }
  // What was read is not.
  void refuse(const std::string& got, const std::string& expected) {
    if (failure_.empty()) failure_ = fmt::format("{}, expected {}", got, expected);
    rest_ = {};
  }
  const std::string& failure() const { return failure_; }

 private:
  std::string_view rest_;
  std::string failure_;
};

}  // namespace bitnetc
