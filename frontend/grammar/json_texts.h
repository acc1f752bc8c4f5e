// The JSON texts that schemas are put together from: white space, strings, numbers, any value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "frontend/grammar/expression.h"

namespace bitnetc::grammar {

// How deep objects and arrays of no schema may be nested in one another.
inline constexpr int kMostJsonDepth = 16;
// Digits of numbers that nothing bounds.
inline constexpr uint32_t kMostDigits = 16, kMostExponentDigits = 2;

// Bounds of a number in decimal: "-12.50", without an exponent.
struct NumberBounds {
  std::optional<std::string> least, most;
  bool above_least = false, below_most = false;  // the bound itself is left out

  bool any() const { return least || most; }
};

class JsonTexts {
 public:
  explicit JsonTexts(SourceGrammar& grammar) : grammar_(grammar) {}

  // Nothing, a space, or a new line and up to 20 spaces.
  ExpressionId space();
  // Any string of so many characters; kUnlimited: of any number.
  ExpressionId string(uint32_t least = 0, uint32_t most = kUnlimited);
  // A string that is none of `names`, without escapes.
  ExpressionId string_but(const std::vector<std::string>& names);
  ExpressionId integer();
  ExpressionId number();
  // Whole numbers from `least` to `most`; without a bound at most kMostDigits digits. Nothing:
  // there is none.
  std::optional<ExpressionId> integer_between(std::optional<int64_t> least,
                                              std::optional<int64_t> most);
  // Decimal numbers without an exponent. Nothing: there is none.
  std::optional<ExpressionId> number_between(const NumberBounds& bounds);
  ExpressionId any_value() { return any_value(0); }
  ExpressionId any_object() { return any_object(0); }
  ExpressionId any_array() { return any_array(0); }
  // "{", members that `member` spells, divided by commas, "}".
  ExpressionId list(std::string_view open, ExpressionId member, std::string_view close,
                    uint32_t least = 0, uint32_t most = kUnlimited);
  // "," and white space.
  ExpressionId comma() { return grammar_.sequence({grammar_.bytes(","), space()}); }
  ExpressionId digits(uint32_t least, uint32_t most);

 private:
  ExpressionId any_value(int depth);
  ExpressionId any_object(int depth);
  ExpressionId any_array(int depth);
  ExpressionId string_character();

  SourceGrammar& grammar_;
  std::optional<RuleId> space_, number_;
  std::map<std::pair<uint32_t, uint32_t>, RuleId> strings_;
  std::map<std::pair<char, int>, RuleId> any_;  // by what, by depth
};

}  // namespace bitnetc::grammar
