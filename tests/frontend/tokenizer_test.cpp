#include "frontend/tokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/frontend/tokenizer/tokenizer_test_util.h"

namespace bitnetc::tokenizer_test {
namespace {

using std::literals::operator""sv;
using Ids = std::vector<int32_t>;

constexpr const char* kReplacement = "\xEF\xBF\xBD";

struct Case {
  std::string_view text;
  Ids ids;
};

// Ids of the bundled tokenizer, agreed on by Hugging Face's JavaScript implementation.
// clang-format off
const Case kBundledCases[] = {
    {"it's IT'S we'LL they'Re"sv, {273, 368, 313, 51, 2326, 338, 6, 43, 43, 359, 6, 49, 68}},
    {"it\xe2\x80\x99s we\xe2\x80\x99ll"sv, {273, 158, 222, 247, 82, 338, 158, 222, 247, 281}},
    {"'\xc5\xbf'\xc5\xbfx"sv, {6, 129, 123, 6, 129, 123, 87}},
    {"Once  upon\t a   time \n"sv, {3040, 220, 683, 197, 258, 220, 220, 540, 220, 198}},
    {"a\r\n\r\nb \n c"sv, {64, 201, 198, 201, 198, 65, 220, 198, 274}},
    {"  \n  \n"sv, {220, 220, 198, 220, 220, 198}},
    {"x!\r\n\n"sv, {87, 0, 201, 290}},
    {"1234567 12,345.678"sv,
     {16, 17, 18, 19, 20, 21, 22, 220, 16, 17, 11, 18, 19, 20, 13, 21, 22, 23}},
    {"\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6\xc2\xbd\xe2\x85\xa7"sv,
     {149, 96, 149, 97, 149, 98, 149, 99, 126, 121, 158, 227, 100}},
    {"caf\xc3\xa9 cafe\xcc\x81"sv, {66, 3027, 127, 102, 2787, 1588, 136, 223}},
    {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xaf"sv,
     {162, 245, 98, 162, 250, 105, 164, 103, 252, 159, 223, 107}},
    {"\xd8\xa7\xd9\x84\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a\xd8\xa9"sv,
     {148, 100, 149, 226, 148, 117, 148, 109, 148, 101, 149, 232, 148, 102}},
    {"\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"sv,
     {172, 253, 239, 101, 158, 222, 235, 172, 253, 239, 102, 158, 222, 235, 172, 253, 239, 100}},
    {"\xf0\x9f\x8f\xb3\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x8c\x88!"sv,
     {172, 253, 237, 111, 171, 116, 237, 158, 222, 235, 172, 253, 234, 230, 0}},
    {"a\xc2\xa0""b\xe3\x80\x80""c\xc2\x85""d"sv,
     {64, 126, 254, 65, 159, 222, 222, 66, 126, 227, 67}},
    {"\xe1\xa0\x8e x\xef\xbb\xbfy"sv, {157, 254, 236, 220, 87, 171, 119, 123, 88}},
    {"\x00""a\x00"sv, {188, 64, 188}},
    {"<|eot_id|>x<|eot_id"sv, {4095, 87, 27, 91, 68, 305, 62, 300}},
    {"<<|end_of_text|>>\n"sv, {27, 4094, 29, 198}},
    {"\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\xbf"sv,
     {156, 97, 243, 156, 98, 235, 156, 97, 115, 156, 97, 123}},
    {"King's'"sv, {42, 280, 368, 6}},
    {"\xe2\x80\xa8\xe2\x80\xa8 z"sv, {158, 222, 101, 158, 222, 101, 220, 89}},
    {"\xf4\x8f\xbf\xbf\xee\x80\x80"sv, {176, 237, 123, 123, 170, 222, 222}},
    {"-'x -- 'tis"sv, {12, 6, 87, 220, 434, 408, 83, 279}},
};
// clang-format on

TEST(Tokenizer, EncodesUnusualTextsOfTheBundledModel) {
  const auto tokenizer = bundled_tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  for (const Case& c : kBundledCases) {
    EXPECT_EQ(encode(*tokenizer, c.text, false), c.ids) << c.text;
    EXPECT_EQ(decode(*tokenizer, c.ids, false), c.text);
  }
}

TEST(Tokenizer, KnowsItsVocabulary) {
  const auto tokenizer = bundled_tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->vocab_size(), 4096);
  EXPECT_EQ(tokenizer->token_id("<|eot_id|>"), 4095);
  EXPECT_EQ(tokenizer->token_text(4095), "<|eot_id|>");
  EXPECT_EQ(tokenizer->token_text(220), "Ġ");
  EXPECT_EQ(tokenizer->token_id("Ġ"), 220);
  EXPECT_EQ(tokenizer->token_id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer->token_text(-1), std::nullopt);
  EXPECT_EQ(tokenizer->token_text(4096), std::nullopt);
  EXPECT_TRUE(tokenizer->is_special(4093));
  EXPECT_FALSE(tokenizer->is_special(220));
  EXPECT_FALSE(tokenizer->is_special(-1));
  EXPECT_FALSE(tokenizer->is_special(4096));
}

TEST(Tokenizer, AddsAndSkipsSpecialTokens) {
  const auto tokenizer = bundled_tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(encode(*tokenizer, ""), Ids({4093}));
  EXPECT_EQ(encode(*tokenizer, "", false), Ids());
  const Ids ids = encode(*tokenizer, "Once<|eot_id|>", true);
  EXPECT_EQ(ids.front(), 4093);
  EXPECT_EQ(ids.back(), 4095);
  EXPECT_EQ(decode(*tokenizer, ids), "Once");
  EXPECT_EQ(decode(*tokenizer, ids, false), "<|begin_of_text|>Once<|eot_id|>");
}

TEST(Tokenizer, RefusesInvalidUtf8WithItsOffset) {
  const auto tokenizer = bundled_tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  const auto ids = tokenizer->encode("caf\xC3\xA9 \xC3(");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ids.status().message(), "the text is not valid UTF-8 at byte 6 (0xC3)");
}

TEST(Tokenizer, RefusesToDecodeUnknownIds) {
  const auto tokenizer = bundled_tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  for (const int32_t id : {-1, 4096, INT32_MAX, INT32_MIN}) {
    const auto text = tokenizer->decode(Ids{1, id});
    ASSERT_FALSE(text.ok());
    EXPECT_EQ(text.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(text.status().message().find(std::to_string(id)), std::string::npos);
  }
}

TEST(Tokenizer, MergesByRankAndDecodesBytes) {
  const auto tokenizer = make_tokenizer(byte_level_json());
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(encode(*tokenizer, "hello wo\n"), Ids({258, 'o', 259, 'o', '\n'}));
  EXPECT_EQ(decode(*tokenizer, {258, 'o', 259, 'o', '\n'}), "hello wo\n");
  // Maximal invalid parts: E4 BD and then FF, then a lone continuation byte.
  EXPECT_EQ(decode(*tokenizer, {'a', 0xE4, 0xBD, 0xFF, 0x80}),
            std::string("a") + kReplacement + kReplacement + kReplacement);
  EXPECT_EQ(decode(*tokenizer, {0xE4, 0xBD, 0xA0}), "你");
}

TEST(Tokenizer, AddsAPrefixSpaceToEveryPiece) {
  json tree = byte_level_json();
  tree["pre_tokenizer"]["add_prefix_space"] = true;
  tree["added_tokens"] = json::array({added_token(300, "<|>")});
  const auto tokenizer = make_tokenizer(tree);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(encode(*tokenizer, "wo<|> w"), Ids({259, 'o', 300, 259}));
}

TEST(Tokenizer, SentencePieceStyleRoundTrip) {
  const auto tokenizer = make_tokenizer(sentence_piece_json());
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(encode(*tokenizer, "ab a"), Ids({1, 262, 260, 262}));
  EXPECT_EQ(decode(*tokenizer, {1, 262, 260, 262}), "ab a");
  EXPECT_EQ(encode(*tokenizer, "  a", false), Ids({258, 258, 262}));
  EXPECT_EQ(decode(*tokenizer, {258, 258, 262}), "  a");
  EXPECT_EQ(encode(*tokenizer, "é€", false), Ids({258, 264, 2 + 0xE2, 2 + 0x82, 2 + 0xAC}));
  EXPECT_EQ(decode(*tokenizer, {258, 264, 2 + 0xE2, 2 + 0x82, 2 + 0xAC}), "é€");
  // A run of byte tokens that is not UTF-8 as a whole becomes one replacement for each byte.
  EXPECT_EQ(decode(*tokenizer, {259, 2 + 0xE2, 2 + 0x82, 259}),
            std::string("a") + kReplacement + kReplacement + "a");
}

TEST(Tokenizer, UnknownCharactersFuseOnlyIfAsked) {
  json tree = sentence_piece_json();
  tree["model"]["byte_fallback"] = false;
  EXPECT_EQ(encode(*make_tokenizer(tree), "aXYb", false), Ids({262, 0, 260}));
  tree["model"]["fuse_unk"] = false;
  EXPECT_EQ(encode(*make_tokenizer(tree), "aXYb", false), Ids({262, 0, 0, 260}));
  tree["model"].erase("unk_token");
  const auto ids = make_tokenizer(tree)->encode("aXYb");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().message(),
            "character U+0058 of the text has no token and there is no model.unk_token");
}

TEST(Tokenizer, NamesTheByteThatHasNoToken) {
  json tree = byte_level_json();
  tree["model"]["vocab"].erase("Ċ");
  const auto ids = make_tokenizer(tree)->encode("a\nb");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(
      ids.status().message(),
      "byte 0x0A of the text has no token: model.vocab lacks its symbol U+010A and there is no "
      "model.unk_token");
}

TEST(Tokenizer, WithoutADecoderTokensAreSetApart) {
  json tree = byte_level_json();
  tree["decoder"] = nullptr;
  const auto tokenizer = make_tokenizer(tree);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(decode(*tokenizer, {256, 259, 'a'}), "he Ġw a");
}

TEST(Tokenizer, IdsMayLeaveHoles) {
  json tree = byte_level_json();
  tree["added_tokens"] = json::array({added_token(1000, "<x>")});
  const auto tokenizer = make_tokenizer(tree);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->vocab_size(), 1001);
  EXPECT_EQ(tokenizer->token_text(999), std::nullopt);
  EXPECT_FALSE(tokenizer->decode(Ids{999}).ok());
  EXPECT_EQ(decode(*tokenizer, {1000}), "<x>");
}

TEST(Tokenizer, TemplatesNestFromTheInside) {
  json tree = sentence_piece_json();
  json outer = tree["post_processor"];
  outer["single"] = json::parse(R"([{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "end"}}])");
  outer["special_tokens"] = json::parse(R"({"end": {"id": "end", "ids": [259, 260]}})");
  const json inner = tree["post_processor"];
  tree["post_processor"] = {{"type", "Sequence"}, {"processors", json::array({inner, outer})}};
  EXPECT_EQ(encode(*make_tokenizer(tree), "a"), Ids({1, 262, 259, 260}));
}

// Streams against whole decodes, and whole decodes against the definition applied to all bytes at
// once.
class TokenizerStream : public testing::TestWithParam<const char*> {
 protected:
  static json tree(std::string_view name) {
    if (name == "sentence_piece") return sentence_piece_json();
    json tree = byte_level_json();
    if (name == "no_decoder") tree["decoder"] = nullptr;
    if (name == "strip_behind_bytes") {
      const json strip = {{"type", "Strip"}, {"content", "é"}, {"start", 3}, {"stop", 0}};
      const json byte_level = tree["decoder"];
      tree["decoder"] = {{"type", "Sequence"}, {"decoders", json::array({byte_level, strip})}};
    }
    return tree;
  }
};

TEST_P(TokenizerStream, EqualsTheWholeDecode) {
  const auto tokenizer = make_tokenizer(tree(GetParam()));
  ASSERT_NE(tokenizer, nullptr);
  std::mt19937 random(1234);
  const int32_t id_end = tokenizer->vocab_size();
  for (int round = 0; round < 4000; ++round) {
    Ids ids(random() % 24);
    // Half of the rounds draw from the ids of bytes that make characters, whole and broken.
    const Ids bytes = {0xC3, 0xA9, 0xE4, 0xBD, 0xA0, 0xF0, 0x9F, 0x98, 0x80, 0xED, ' ', 'a', 258};
    for (int32_t& id : ids) {
      id = round % 2 == 0 ? static_cast<int32_t>(random() % static_cast<uint32_t>(id_end))
                          : bytes[random() % bytes.size()] + (id_end == 265 ? 2 : 0);
    }
    const bool skip_special = round % 3 != 0;
    StreamDecoder stream(*tokenizer, skip_special);
    std::string streamed;
    for (const int32_t id : ids) {
      const std::string text = stream.push(id);
      EXPECT_EQ(find_invalid_utf8(text), std::string::npos);
      streamed += text;
    }
    streamed += stream.finish();
    ASSERT_EQ(streamed, decode(*tokenizer, ids, skip_special)) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Decoders, TokenizerStream,
                         testing::Values("byte_level", "no_decoder", "strip_behind_bytes",
                                         "sentence_piece"));

TEST(TokenizerDecode, EqualsItsDefinitionOnRandomBytes) {
  const auto tokenizer = make_tokenizer(byte_level_json());
  ASSERT_NE(tokenizer, nullptr);
  std::mt19937 random(99);
  for (int round = 0; round < 2000; ++round) {
    Ids ids(random() % 16);
    std::string bytes;
    for (int32_t& id : ids) {
      id = static_cast<int32_t>(random() % 256);
      bytes.push_back(static_cast<char>(id));
    }
    std::string repaired;
    append_repaired_utf8(bytes, true, repaired);
    ASSERT_EQ(decode(*tokenizer, ids), repaired);
  }
}

TEST(StreamDecoder, HoldsBackUnfinishedCharacters) {
  const auto tokenizer = make_tokenizer(byte_level_json());
  ASSERT_NE(tokenizer, nullptr);
  StreamDecoder stream(*tokenizer);
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xF0), "");
  EXPECT_EQ(stream.push(0x9F), "");
  EXPECT_EQ(stream.push(0x98), "");
  EXPECT_EQ(stream.push(0x80), "😀");
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.finish(), kReplacement);
}

TEST(StreamDecoder, ShowsUnknownIds) {
  const auto tokenizer = make_tokenizer(byte_level_json());
  ASSERT_NE(tokenizer, nullptr);
  StreamDecoder stream(*tokenizer);
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.push(100000), std::string(kReplacement) + kReplacement);
  EXPECT_EQ(stream.push('a'), "a");
}

TEST(Tokenizer, LongPiecesTakeLinearithmicTime) {
  const auto tokenizer = bundled_tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  std::mt19937 random(5);
  std::string word;
  for (int i = 0; i < 400'000; ++i) word.push_back(static_cast<char>('a' + random() % 26));
  // Quadratic work would be 10^11 steps, which no time limit of a test would survive.
  const Ids ids = encode(*tokenizer, word, false);
  EXPECT_EQ(decode(*tokenizer, ids), word);
  const std::string spaces(1'000'000, ' ');
  EXPECT_EQ(decode(*tokenizer, encode(*tokenizer, spaces, false)), spaces);
}

}  // namespace
}  // namespace bitnetc::tokenizer_test
