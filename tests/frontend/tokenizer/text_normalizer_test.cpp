// Where typed stretches of a text are after it is normalised.
#include "frontend/tokenizer/text_normalizer.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

// `text` holds typed stretches between [ and ]; so does what comes back.
std::string normalize_typed(const TextNormalizer& normalizer, std::string_view text) {
  std::string plain;
  std::vector<TextSpan> typed;
  for (const char c : text) {
    if (c == '[') {
      typed.push_back({plain.size(), plain.size()});
    } else if (c == ']') {
      typed.back().end = plain.size();
    } else {
      plain += c;
    }
  }
  const auto normalized = normalizer.apply(plain, &typed);
  EXPECT_TRUE(normalized.ok()) << normalized.status().message();
  EXPECT_EQ(*normalizer.apply(plain), *normalized) << "spans change no text";
  std::string shown;
  size_t at = 0;
  for (const TextSpan& span : typed) {
    shown += normalized->substr(at, span.begin - at) + "[" +
             normalized->substr(span.begin, span.end - span.begin) + "]";
    at = span.end;
  }
  return shown + normalized->substr(at);
}

TextNormalizer one(TextNormalizer::Step step) {
  TextNormalizer normalizer;
  normalizer.add(std::move(step));
  return normalizer;
}

ReplaceStep replace(const char* text, const char* content) {
  return {*TextPattern::literal(text), content};
}

TEST(TypedSpans, MoveWithWhatIsPutInOrTakenOut) {
  EXPECT_EQ(normalize_typed(one(PrependStep{"__"}), "[ab]c[d]"), "__[ab]c[d]");
  EXPECT_EQ(normalize_typed(one(replace(" ", "___")), "a [b c] d"), "a___[b___c]___d");
  EXPECT_EQ(normalize_typed(one(replace("bc", "X")), "a[b]cd[e]"), "a[X]d[e]");
  EXPECT_EQ(normalize_typed(one(replace("b", "")), "a[b]c"), "ac");
  EXPECT_EQ(normalize_typed(one(TrimStep{true, true}), "  [ a ]b[ ]"), "[a ]b");
  EXPECT_EQ(normalize_typed(one(StripStep{"x", 1, 2}), "[xx]axx"), "[x]a");
}

TEST(TypedSpans, MoveWithCharactersThatChangeTheirLength) {
  EXPECT_EQ(normalize_typed(one(LowercaseStep{}), "A[\u0130]B[C]"), "a[i\u0307]b[c]");
  EXPECT_EQ(normalize_typed(one(StripAccentsStep{}), "a\u0301[e\u0301]x"), "a[e]x");
  EXPECT_EQ(normalize_typed(one(NormalFormStep{NormalForm::kNfkd}), "\uFB01[\u00E9]x"),
            "fi[e\u0301]x");
}

// A mark at the beginning of typed text belongs to the character before it.
TEST(TypedSpans, EndWhereANormalFormStartsAfresh) {
  const TextNormalizer nfc = one(NormalFormStep{NormalForm::kNfc});
  EXPECT_EQ(normalize_typed(nfc, "a[e\u0301b]c"), "a[\u00E9b]c");
  EXPECT_EQ(normalize_typed(nfc, "<e[\u0301b]c"), "<\u00E9[b]c");
  EXPECT_EQ(normalize_typed(nfc, "[e]\u0301<s>"), "[\u00E9]<s>");
}

}  // namespace
}  // namespace bitnetc
