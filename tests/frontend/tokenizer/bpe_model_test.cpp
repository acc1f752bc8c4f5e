#include "frontend/tokenizer/bpe_model.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace bitnetc {
namespace {

using Ids = std::vector<int32_t>;

// A random vocabulary over a, b, c, built the way BPE training would: each merge joins two known
// tokens.
struct RandomModel {
  Vocabulary vocabulary;
  MergeList merges;
  std::map<std::pair<int32_t, int32_t>, std::pair<size_t, int32_t>> table;  // pair to rank, id

  explicit RandomModel(std::mt19937& random) {
    std::vector<std::string> tokens = {"a", "b", "c"};
    for (const std::string& token : tokens) add(token);
    for (size_t rank = 0; rank < 30; ++rank) {
      const std::string left = tokens[random() % tokens.size()];
      const std::string right = tokens[random() % tokens.size()];
      if (!vocabulary.find(left + right)) {
        tokens.push_back(left + right);
        add(left + right);
      }
      merges.add(left, right);
      table[{*vocabulary.find(left), *vocabulary.find(right)}] = {merges.size() - 1,
                                                                  *vocabulary.find(left + right)};
    }
  }

  void add(const std::string& token) {
    const auto id = static_cast<int32_t>(vocabulary.size());
    ASSERT_EQ(vocabulary.insert(token, id), Vocabulary::Insert::kDone);
  }

  // The definition: merge the pair of lowest rank, leftmost first, until none is left.
  Ids encode(const std::string& text) const {
    Ids ids;
    for (const char c : text) ids.push_back(*vocabulary.find(std::string(1, c)));
    while (true) {
      auto best = table.end();
      size_t best_at = 0;
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        const auto it = table.find({ids[i], ids[i + 1]});
        if (it == table.end()) continue;
        if (best == table.end() || it->second.first < best->second.first) {
          best = it;
          best_at = i;
        }
      }
      if (best == table.end()) return ids;
      ids[best_at] = best->second.second;
      ids.erase(ids.begin() + static_cast<ptrdiff_t>(best_at) + 1);
    }
  }
};

TEST(BpeModel, EqualsItsDefinitionForShortAndLongPieces) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    const RandomModel expected(random);
    const auto model = BpeModel::create(expected.vocabulary, expected.merges, {});
    ASSERT_TRUE(model.ok()) << model.status().message();
    BpeScratch scratch;
    for (const size_t length : {1, 2, 5, 31, 32, 33, 34, 150}) {
      std::string text;
      for (size_t i = 0; i < length; ++i) text += "abc"[random() % 3];
      Ids ids;
      ASSERT_TRUE(model->encode(text, scratch, ids).ok());
      ASSERT_EQ(ids, expected.encode(text)) << text;
    }
  }
}

TEST(BpeModel, IgnoreMergesTakesAWholePiece) {
  Vocabulary vocabulary;
  for (const char* token : {"a", "b", "c", "ab", "bc", "abc"}) {
    ASSERT_EQ(vocabulary.insert(token, static_cast<int32_t>(vocabulary.size())),
              Vocabulary::Insert::kDone);
  }
  MergeList merges;
  merges.add("b", "c");
  BpeScratch scratch;
  for (const bool ignore_merges : {false, true}) {
    BpeOptions options;
    options.ignore_merges = ignore_merges;
    const auto model = BpeModel::create(vocabulary, merges, options);
    ASSERT_TRUE(model.ok());
    Ids ids;
    ASSERT_TRUE(model->encode("abc", scratch, ids).ok());
    EXPECT_EQ(ids, ignore_merges ? Ids({5}) : Ids({0, 4}));
  }
}

TEST(BpeModel, TheLastOfTwoEqualMergesCounts) {
  Vocabulary vocabulary;
  for (const char* token : {"a", "b", "c", "ab", "bc"}) {
    ASSERT_EQ(vocabulary.insert(token, static_cast<int32_t>(vocabulary.size())),
              Vocabulary::Insert::kDone);
  }
  MergeList merges;
  merges.add("a", "b");
  merges.add("b", "c");
  merges.add("a", "b");
  const auto model = BpeModel::create(vocabulary, merges, {});
  ASSERT_TRUE(model.ok());
  BpeScratch scratch;
  Ids ids;
  ASSERT_TRUE(model->encode("abc", scratch, ids).ok());
  EXPECT_EQ(ids, Ids({0, 4}));
}

TEST(Vocabulary, FindsWhatWasInserted) {
  Vocabulary vocabulary;
  for (int32_t id = 0; id < 10'000; ++id) {
    ASSERT_EQ(vocabulary.insert(std::to_string(id * 7), id * 3), Vocabulary::Insert::kDone);
  }
  EXPECT_EQ(vocabulary.size(), 10'000u);
  EXPECT_EQ(vocabulary.id_end(), 9'999 * 3 + 1);
  for (int32_t id = 0; id < 10'000; ++id) {
    ASSERT_EQ(vocabulary.find(std::to_string(id * 7)), id * 3);
    ASSERT_EQ(vocabulary.text(id * 3), std::to_string(id * 7));
    ASSERT_EQ(vocabulary.text(id * 3 + 1), std::nullopt);
  }
  EXPECT_EQ(vocabulary.find("1"), std::nullopt);
  EXPECT_EQ(Vocabulary().find("1"), std::nullopt);
  EXPECT_EQ(vocabulary.insert("7", 1), Vocabulary::Insert::kDuplicateText);
  EXPECT_EQ(vocabulary.insert("new", 3), Vocabulary::Insert::kDuplicateId);
}

}  // namespace
}  // namespace bitnetc
