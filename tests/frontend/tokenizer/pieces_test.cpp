// Tokenizers of the SentencePiece kind: from lists of pieces with scores, and through the library.
#include <gtest/gtest.h>

#include "frontend/tokenizer/sentence_piece_model.h"
#include "tests/frontend/tokenizer/tokenizer_test_util.h"

namespace bitnetc::tokenizer_test {
namespace {

using Ids = std::vector<int32_t>;

// <unk> 0, <s> 1, </s> 2, bytes 3 to 258, then what is given, the scores falling.
ScoredPieces pieces_with(const std::vector<std::string>& texts) {
  ScoredPieces pieces;
  const auto add = [&](const std::string& text, float score, PieceType type) {
    pieces.texts.push_back(text);
    pieces.scores.push_back(score);
    pieces.types.push_back(type);
  };
  add("<unk>", 0, PieceType::kUnknown);
  add("<s>", 0, PieceType::kControl);
  add("</s>", 0, PieceType::kControl);
  for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), 0, PieceType::kByte);
  for (const std::string& text : texts)
    add(text, -static_cast<float>(pieces.texts.size()), PieceType::kNormal);
  pieces.begin_id = 1;
  return pieces;
}

std::unique_ptr<const Tokenizer> make(const ScoredPieces& pieces) {
  auto tokenizer = Tokenizer::from_pieces(pieces, "t");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

TEST(ScoredPieces, MergeByScore) {
  // "bc" (260) before "ab" (261): abc is a, bc.
  const auto tokenizer = make(pieces_with({"▁", "bc", "ab", "a", "b", "c", "▁ab"}));
  EXPECT_EQ(encode(*tokenizer, "abc"), (Ids{1, 259, 262, 260}));
  EXPECT_EQ(encode(*tokenizer, "ab"), (Ids{1, 265}));
  EXPECT_EQ(decode(*tokenizer, {1, 259, 262, 260}), "abc");
}

// Neither half of "né" is a piece, and both merge; alone they are bytes.
TEST(ScoredPieces, MergeCharactersWithoutAPiece) {
  const auto tokenizer = make(pieces_with({"▁", "né"}));
  EXPECT_EQ(encode(*tokenizer, "né"), (Ids{1, 259, 260}));
  EXPECT_EQ(encode(*tokenizer, "én"), (Ids{1, 259, 3 + 0xC3, 3 + 0xA9, 3 + 'n'}));
  EXPECT_EQ(decode(*tokenizer, encode(*tokenizer, "én né")), "én né");
}

TEST(ScoredPieces, FindSpecialAndUserDefinedPieces) {
  ScoredPieces pieces = pieces_with({"▁", "a", "b", "▁▁", "▁a"});
  pieces.types[262] = PieceType::kUserDefined;
  const auto tokenizer = make(pieces);
  EXPECT_EQ(encode(*tokenizer, "a<s>b"), (Ids{1, 263, 1, 259, 261}));
  EXPECT_EQ(encode(*tokenizer, " a"), (Ids{1, 262, 260})) << "the space in front makes two";
  pieces.add_space_prefix = false;
  EXPECT_EQ(encode(*make(pieces), "a  b"), (Ids{1, 260, 262, 261}));
}

TEST(ScoredPieces, NameWhatIsWrong) {
  const auto expect_refused = [](const ScoredPieces& pieces, const char* message) {
    const auto tokenizer = Tokenizer::from_pieces(pieces, "t");
    ASSERT_FALSE(tokenizer.ok());
    EXPECT_EQ(tokenizer.status().code(), StatusCode::kDataCorrupt);
    EXPECT_EQ(tokenizer.status().message(), message);
  };
  ScoredPieces pieces = pieces_with({"a", "a"});
  expect_refused(pieces, "t: piece 260 \"a\" is there twice");
  pieces.texts[260] = "\xff";
  expect_refused(pieces, "t: piece 260 is empty or not valid UTF-8");
  pieces.texts[260] = "b";
  pieces.types[260] = static_cast<PieceType>(9);
  expect_refused(pieces, "t: piece 260 has type 9, expected 1 (normal) to 6 (byte)");
  pieces.types[260] = PieceType::kUnknown;
  expect_refused(pieces, "t: pieces 0 and 260 are both the unknown one");
  pieces.types[260] = PieceType::kNormal;
  pieces.begin_id = 261;
  EXPECT_FALSE(Tokenizer::from_pieces(pieces, "t").ok());
  pieces.begin_id = 1;
  pieces.scores[260] = std::numeric_limits<float>::quiet_NaN();
  expect_refused(pieces, "t: piece 260 has a score that is not a number");
  pieces.scores.pop_back();
  expect_refused(pieces,
                 "t: 261 pieces, 260 scores, 261 types: expected as many of each, 1 to 16777216");
}

// The library's way and ours through the same vocabulary (BPE, 420 pieces, trained on the pages of
// docs/) give the same ids.
TEST(SentencePieceModel, EqualsTheListsOfItsPieces) {
  const std::string bytes = read_source_file("tests/frontend/tokenizer/data/bpe.model");
  const auto by_library = Tokenizer::from_file(bytes, "bpe.model");
  ASSERT_TRUE(by_library.ok()) << by_library.status().message();
  const auto model = SentencePieceModel::create(bytes);
  ASSERT_TRUE(model.ok());
  ScoredPieces pieces = (*model)->pieces();
  ASSERT_EQ(pieces.texts.size(), 420u);
  EXPECT_EQ(pieces.begin_id, 1);
  EXPECT_EQ(pieces.end_id, 2);
  pieces.end_id.reset();
  const auto user_defined = std::find(pieces.texts.begin(), pieces.texts.end(), "<think>");
  ASSERT_NE(user_defined, pieces.texts.end());
  pieces.types[static_cast<size_t>(user_defined - pieces.texts.begin())] = PieceType::kUserDefined;
  const auto by_lists = make(pieces);
  const std::string page = read_source_file("docs/vocabulary.md");
  for (size_t at = 0; at + 90 < page.size(); at += 61) {
    std::string text = page.substr(at, 90);
    text.resize(std::min(find_invalid_utf8(text), text.size()));
    for (const std::string& each : {text, "  é😀 <think>ñ" + text + "</s> ", text + "\n\n\t "}) {
      EXPECT_EQ(encode(**by_library, each), encode(*by_lists, each)) << each;
      EXPECT_EQ(decode(**by_library, encode(**by_library, each, false), false),
                decode(*by_lists, encode(*by_lists, each, false), false));
    }
  }
}

TEST(SentencePieceModel, RefusesWhatIsNone) {
  const std::string bytes = read_source_file("tests/frontend/tokenizer/data/bpe.model");
  for (size_t length : {size_t{1}, size_t{10}, bytes.size() / 2, bytes.size() - 1}) {
    const auto cut = Tokenizer::from_sentence_piece(bytes.substr(0, length), "t.model");
    ASSERT_FALSE(cut.ok()) << length;
    EXPECT_TRUE(cut.status().message().starts_with("t.model: not a SentencePiece model: "))
        << cut.status().message();
  }
}

}  // namespace
}  // namespace bitnetc::tokenizer_test
