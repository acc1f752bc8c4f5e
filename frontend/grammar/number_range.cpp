// Numbers between bounds, digit by digit.
#include <algorithm>

#include "frontend/grammar/json_texts.h"

namespace bitnetc::grammar {
namespace {

// Of a number that has bounds: digits of its fraction that they do not need, and of its whole part
// where nothing bounds that.
constexpr uint32_t kFractionDigits = 6, kWholeDigits = 9;

class Digits {
 public:
  explicit Digits(SourceGrammar& grammar) : grammar_(grammar) {}

  ExpressionId one(int least, int most) {
    return grammar_.character(
        CharacterSet::range(static_cast<uint32_t>('0' + least), static_cast<uint32_t>('0' + most)));
  }
  ExpressionId any(uint32_t least, uint32_t most) {
    return grammar_.repetition(one(0, 9), least, most);
  }
  ExpressionId zeros(uint32_t least, uint32_t most) {
    return grammar_.repetition(grammar_.bytes("0"), least, most);
  }

  // Numbers of as many digits as both have.
  ExpressionId same_length(std::string_view least, std::string_view most) {
    if (least.empty()) return grammar_.empty();
    if (least.find_first_not_of('0') == std::string_view::npos &&
        most.find_first_not_of('9') == std::string_view::npos)
      return any(static_cast<uint32_t>(least.size()), static_cast<uint32_t>(least.size()));
    const auto rest = static_cast<uint32_t>(least.size() - 1);
    const int low = least[0] - '0', high = most[0] - '0';
    if (low == high)
      return grammar_.sequence({one(low, low), same_length(least.substr(1), most.substr(1))});
    std::vector<ExpressionId> ways = {
        grammar_.sequence({one(low, low), same_length(least.substr(1), std::string(rest, '9'))}),
        grammar_.sequence({one(high, high), same_length(std::string(rest, '0'), most.substr(1))})};
    if (low + 1 < high)
      ways.push_back(grammar_.sequence({one(low + 1, high - 1), any(rest, rest)}));
    return grammar_.choice(std::move(ways));
  }

  // Whole numbers without a sign; least <= most.
  ExpressionId whole(uint64_t least, uint64_t most) {
    const std::string low = std::to_string(least), high = std::to_string(most);
    std::vector<ExpressionId> ways;
    for (size_t length = low.size(); length <= high.size(); ++length) {
      const std::string from = length == low.size() ? low : "1" + std::string(length - 1, '0');
      const std::string to = length == high.size() ? high : std::string(length, '9');
      ways.push_back(same_length(from, to));
    }
    return grammar_.choice(std::move(ways));
  }

  // Digits behind the point that make at least, or more than, 0.`least`.
  ExpressionId at_least(std::string_view least, bool more) {
    if (least.empty()) {
      if (!more) return any(0, kFractionDigits);
      return grammar_.sequence(
          {zeros(0, kFractionDigits - 1), one(1, 9), any(0, kFractionDigits - 1)});
    }
    const int digit = least[0] - '0';
    std::vector<ExpressionId> ways = {
        grammar_.sequence({one(digit, digit), at_least(least.substr(1), more)})};
    if (digit < 9) ways.push_back(grammar_.sequence({one(digit + 1, 9), any(0, kFractionDigits)}));
    return grammar_.choice(std::move(ways));
  }

  // Digits that make at most, or less than, 0.`most`, of which the last digit is not 0. Nothing:
  // there are none.
  std::optional<ExpressionId> at_most(std::string_view most, bool less) {
    if (most.empty()) return less ? std::nullopt : std::optional(zeros(0, kFractionDigits));
    const int digit = most[0] - '0';
    std::vector<ExpressionId> ways;
    if (digit > 0) ways.push_back(grammar_.sequence({one(0, digit - 1), any(0, kFractionDigits)}));
    if (const auto rest = at_most(most.substr(1), less))
      ways.push_back(grammar_.sequence(
          {one(digit, digit), most.size() > 1 ? grammar_.optional(*rest) : *rest}));
    if (ways.empty()) return std::nullopt;
    return grammar_.choice(std::move(ways));
  }

 private:
  SourceGrammar& grammar_;
};

// A magnitude: digits before the point as a number, digits behind it without zeros at the end.
struct Decimal {
  uint64_t whole = 0;
  std::string fraction;

  bool is_zero() const { return whole == 0 && fraction.empty(); }
  auto operator<=>(const Decimal&) const = default;
};

Decimal magnitude(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const size_t point = std::min(text.find('.'), text.size());
  Decimal made{.whole = std::stoull(std::string(text.substr(0, point)))};
  if (point < text.size()) made.fraction = text.substr(point + 1);
  while (made.fraction.ends_with('0')) made.fraction.pop_back();
  return made;
}

struct Magnitudes {
  Decimal least;
  bool above_least = false;
  std::optional<Decimal> most;
  bool below_most = false;
};

// Two fractions are compared digit by digit, as texts are.
std::optional<ExpressionId> between(const Magnitudes& of, Digits digits, SourceGrammar& grammar) {
  const auto behind_point = [&](ExpressionId part) {
    return grammar.sequence({grammar.bytes("."), part});
  };
  uint64_t most_whole = 1;
  for (uint32_t i = 0; i < kWholeDigits; ++i) most_whole *= 10;
  const Decimal most = of.most.value_or(Decimal{.whole = of.least.whole + most_whole});
  if (most < of.least) return std::nullopt;
  if (most == of.least && (of.above_least || of.below_most)) return std::nullopt;
  const auto whole = [&](uint64_t from, uint64_t to) { return digits.whole(from, to); };
  std::vector<ExpressionId> ways;
  if (of.least.whole < most.whole) {
    // From the least on, within its whole number.
    if (of.least.fraction.empty() && !of.above_least)
      ways.push_back(
          grammar.sequence({whole(of.least.whole, of.least.whole),
                            grammar.optional(behind_point(digits.any(1, kFractionDigits)))}));
    else
      ways.push_back(
          grammar.sequence({whole(of.least.whole, of.least.whole),
                            behind_point(digits.at_least(of.least.fraction, of.above_least))}));
    if (of.least.whole + 1 < most.whole)
      ways.push_back(
          grammar.sequence({whole(of.least.whole + 1, most.whole - 1),
                            grammar.optional(behind_point(digits.any(1, kFractionDigits)))}));
    // Up to the most, within its whole number.
    if (most.fraction.empty()) {
      if (!of.below_most)
        ways.push_back(
            grammar.sequence({whole(most.whole, most.whole),
                              grammar.optional(behind_point(digits.zeros(1, kFractionDigits)))}));
    } else {
      ways.push_back(whole(most.whole, most.whole));
      if (const auto part = digits.at_most(most.fraction, of.below_most))
        ways.push_back(grammar.sequence({whole(most.whole, most.whole), behind_point(*part)}));
    }
    return grammar.choice(std::move(ways));
  }
  // Both in one whole number.
  const ExpressionId head = whole(most.whole, most.whole);
  if (most == of.least)
    return most.fraction.empty()
               ? head
               : grammar.sequence({head, behind_point(grammar.bytes(most.fraction))});
  const std::string& low = of.least.fraction;
  const std::string& high = most.fraction;
  size_t common = 0;
  while (common < low.size() && low[common] == high[common]) ++common;
  const ExpressionId prefix = grammar.bytes(high.substr(0, common));
  const int low_digit = common < low.size() ? low[common] - '0' : 0;
  const int high_digit = high[common] - '0';
  const auto add = [&](ExpressionId digit, ExpressionId rest) {
    ways.push_back(grammar.sequence({head, behind_point(grammar.sequence({prefix, digit, rest}))}));
  };
  if (common >= low.size() && !of.above_least)
    ways.push_back(common == 0 ? head : grammar.sequence({head, behind_point(prefix)}));
  if (low_digit < high_digit) {
    const std::string low_rest = common < low.size() ? low.substr(common + 1) : "";
    add(digits.one(low_digit, low_digit), digits.at_least(low_rest, of.above_least));
    if (low_digit + 1 < high_digit)
      add(digits.one(low_digit + 1, high_digit - 1), digits.any(0, kFractionDigits));
    if (const auto rest = digits.at_most(high.substr(common + 1), of.below_most))
      add(digits.one(high_digit, high_digit), *rest);
    if (high.size() > common + 1) add(digits.one(high_digit, high_digit), grammar.empty());
  } else if (const auto rest = digits.at_most(high.substr(common + 1), of.below_most)) {
    // The least ends before a zero of the most.
    if (!of.above_least) add(digits.one(0, 0), *rest);
  }
  if (ways.empty()) return std::nullopt;
  return grammar.choice(std::move(ways));
}

}  // namespace

std::optional<ExpressionId> JsonTexts::integer_between(std::optional<int64_t> least,
                                                       std::optional<int64_t> most) {
  constexpr int64_t kMost = 9'999'999'999'999'999;  // kMostDigits digits
  const int64_t low = least.value_or(std::min(-kMost, most.value_or(0)));
  const int64_t high = most.value_or(std::max(kMost, least.value_or(0)));
  if (low > high) return std::nullopt;
  const auto size = [](int64_t value) {
    return value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  };
  Digits digits(grammar_);
  std::vector<ExpressionId> ways;
  if (high >= 0)
    ways.push_back(digits.whole(static_cast<uint64_t>(std::max<int64_t>(low, 0)), size(high)));
  if (low < 0)
    ways.push_back(grammar_.sequence(
        {grammar_.bytes("-"), digits.whole(high < 0 ? size(high) : 1, size(low))}));
  return grammar_.choice(std::move(ways));
}

std::optional<ExpressionId> JsonTexts::number_between(const NumberBounds& bounds) {
  Digits digits(grammar_);
  const auto is_negative = [](const std::optional<std::string>& bound) {
    return bound && bound->starts_with('-') && !magnitude(*bound).is_zero();
  };
  std::vector<ExpressionId> ways;
  if (!is_negative(bounds.most)) {
    Magnitudes of{.below_most = bounds.below_most};
    if (bounds.least && !is_negative(bounds.least)) {
      of.least = magnitude(*bounds.least);
      of.above_least = bounds.above_least;
    }
    if (bounds.most) of.most = magnitude(*bounds.most);
    if (const auto made = between(of, digits, grammar_)) ways.push_back(*made);
  }
  if (!bounds.least || is_negative(bounds.least)) {
    Magnitudes of{.below_most = bounds.above_least};
    if (bounds.most && (is_negative(bounds.most) || magnitude(*bounds.most).is_zero())) {
      of.least = magnitude(*bounds.most);
      of.above_least = bounds.below_most;
    }
    if (bounds.least) of.most = magnitude(*bounds.least);
    if (const auto made = between(of, digits, grammar_))
      ways.push_back(grammar_.sequence({grammar_.bytes("-"), *made}));
  }
  if (ways.empty()) return std::nullopt;
  return grammar_.choice(std::move(ways));
}

}  // namespace bitnetc::grammar
