// Logits depend on the tokens of a sequence alone, whatever was cut, forked and forgotten before.
#include "tests/capi/api_fixture.h"

namespace bitnetc::test {
namespace {

class ApiSequences : public Api {
 protected:
  std::vector<float> fresh_logits(const Ids& ids) {
    const ApiSequence sequence = sequence_of(model_);
    eval(sequence, ids);
    return logits_of(sequence);
  }
  static Ids tokens_of(const ApiSequence& sequence) {
    const int32_t* tokens = nullptr;
    size_t count = 0;
    EXPECT_SUCCEEDS(bitnetc_sequence_get_tokens(sequence.get(), &tokens, &count));
    return {tokens, tokens + count};
  }
  // As many tokens as asked for, no two beginnings alike.
  static Ids some_ids(size_t count, int32_t seed) {
    Ids ids;
    for (size_t i = 0; i < count; ++i)
      ids.push_back((seed * 131 + static_cast<int32_t>(i) * 37) % 4000);
    return ids;
  }

  const Model model_ = open();
};

TEST_F(ApiSequences, TokensMayComeInAnyCuts) {
  const Ids ids = some_ids(300, 1);
  const auto expected = fresh_logits(ids);
  const ApiSequence sequence = sequence_of(model_);
  for (size_t begin = 0, length = 1; begin < ids.size(); begin += length, length = length * 3 % 100)
    eval(sequence, Ids(ids.begin() + static_cast<long>(begin),
                       ids.begin() + static_cast<long>(std::min(begin + length, ids.size()))));
  EXPECT_TRUE(are_equal(logits_of(sequence), expected));
  EXPECT_EQ(tokens_of(sequence), ids);
  EXPECT_EQ(bitnetc_sequence_position(sequence.get()), 300);
  const Model one_thread = open(nullptr, 1);
  const ApiSequence other = sequence_of(one_thread);
  eval(other, ids);
  EXPECT_TRUE(are_equal(logits_of(other), expected));
}

TEST_F(ApiSequences, TruncatedOnesAreAsIfNothingHadBeen) {
  const Ids ids = some_ids(150, 2), tail = some_ids(20, 3);
  const ApiSequence sequence = sequence_of(model_);
  eval(sequence, ids);
  for (const int64_t length : {149, 128, 64, 63, 1, 0}) {
    EXPECT_SUCCEEDS(bitnetc_sequence_truncate(sequence.get(), length));
    EXPECT_EQ(bitnetc_sequence_position(sequence.get()), length);
    Ids whole(ids.begin(), ids.begin() + length);
    EXPECT_EQ(tokens_of(sequence), whole);
    eval(sequence, tail);
    whole.insert(whole.end(), tail.begin(), tail.end());
    EXPECT_TRUE(are_equal(logits_of(sequence), fresh_logits(whole))) << length;
    EXPECT_SUCCEEDS(bitnetc_sequence_truncate(sequence.get(), length));
  }
}

TEST_F(ApiSequences, ForksGoTheirOwnWays) {
  const Ids start = some_ids(70, 4), left = some_ids(30, 5), right = some_ids(90, 6);
  ApiSequence sequence = sequence_of(model_);
  eval(sequence, start);
  const auto at_start = logits_of(sequence);
  const ApiSequence fork = fork_of(sequence);
  EXPECT_TRUE(are_equal(logits_of(fork), at_start));
  eval(sequence, left);
  EXPECT_TRUE(are_equal(logits_of(fork), at_start)) << "those of the fork are its own";
  eval(fork, right);
  const ApiSequence fork_of_fork = fork_of(fork);
  EXPECT_SUCCEEDS(bitnetc_sequence_truncate(fork_of_fork.get(), 100));
  eval(fork_of_fork, left);
  const auto expect = [&](const ApiSequence& each, std::initializer_list<Ids> parts) {
    Ids whole;
    for (const Ids& part : parts) whole.insert(whole.end(), part.begin(), part.end());
    EXPECT_EQ(tokens_of(each), whole);
    EXPECT_TRUE(are_equal(logits_of(each), fresh_logits(whole)));
  };
  expect(sequence, {start, left});
  expect(fork, {start, right});
  expect(fork_of_fork, {start, Ids(right.begin(), right.begin() + 30), left});
  sequence.reset();  // the forks need it no more
  eval(fork, left);
  expect(fork, {start, right, left});
}

TEST_F(ApiSequences, TheModelMayBeFreedFirst) {
  Model model = open();
  const ApiSequence sequence = sequence_of(model);
  model.reset();
  eval(sequence, {1, 2, 3});
  EXPECT_TRUE(are_equal(logits_of(sequence), fresh_logits({1, 2, 3})));
}

TEST_F(ApiSequences, AFullContext) {
  const ApiSequence sequence = sequence_of(model_, 10);
  const Ids nine = some_ids(9, 7);
  eval(sequence, nine);
  const auto before = logits_of(sequence);
  EXPECT_FAILS(bitnetc_sequence_eval(sequence.get(), nine.data(), 2, nullptr), BITNETC_CONTEXT_FULL,
               "2 tokens do not fit: 9 of 10 positions of the context are taken");
  EXPECT_TRUE(are_equal(logits_of(sequence), before));
  eval(sequence, {5});
  EXPECT_FAILS(bitnetc_sequence_eval(sequence.get(), nine.data(), 1, nullptr), BITNETC_CONTEXT_FULL,
               "10 of 10 positions");
  EXPECT_EQ(bitnetc_sequence_position(sequence.get()), 10);
  const Ids eleven = some_ids(11, 8);
  EXPECT_FAILS(bitnetc_generate(sequence.get(), eleven.data(), 11, nullptr, nullptr),
               BITNETC_CONTEXT_FULL, "11 tokens do not fit");
  EXPECT_EQ(bitnetc_sequence_position(sequence.get()), 10);
  bitnetc_sequence* none = nullptr;
  EXPECT_FAILS(bitnetc_sequence_create(model_.get(), 1025, &none), BITNETC_INVALID_ARGUMENT,
               "at most 1024");
}

TEST_F(ApiSequences, AnIdOutsideTheVocabularyChangesNothing) {
  const ApiSequence sequence = sequence_of(model_);
  eval(sequence, {1, 2});
  const auto before = logits_of(sequence);
  for (const int32_t wrong : {-1, 4096, INT32_MAX}) {
    const Ids ids = {3, wrong};
    EXPECT_FAILS(bitnetc_sequence_eval(sequence.get(), ids.data(), 2, nullptr),
                 BITNETC_INVALID_ARGUMENT, "expected 0..4095");
    EXPECT_EQ(tokens_of(sequence), (Ids{1, 2}));
    EXPECT_TRUE(are_equal(logits_of(sequence), before));
    EXPECT_FAILS(bitnetc_generate(sequence.get(), ids.data(), 2, nullptr, nullptr),
                 BITNETC_INVALID_ARGUMENT, "expected 0..4095");
    EXPECT_SUCCEEDS(bitnetc_sequence_truncate(sequence.get(), 0));
    eval(sequence, {1, 2});
    EXPECT_TRUE(are_equal(logits_of(sequence), before));
  }
}

TEST_F(ApiSequences, LogitsAreThoseOfTheLastTokenOrNone) {
  const ApiSequence sequence = sequence_of(model_);
  const float* logits = nullptr;
  size_t count = 0;
  const auto expect_none = [&] {
    EXPECT_FAILS(bitnetc_sequence_get_logits(sequence.get(), &logits, &count),
                 BITNETC_INVALID_ARGUMENT, "has no logits");
  };
  expect_none();
  eval(sequence, {1, 2, 3});
  EXPECT_SUCCEEDS(bitnetc_sequence_truncate(sequence.get(), 3));  // forgets nothing
  EXPECT_EQ(logits_of(sequence).size(), 4096u);
  EXPECT_SUCCEEDS(bitnetc_sequence_truncate(sequence.get(), 2));
  expect_none();
  eval(sequence, {3});
  const Ids prompt = {1, 2, 3};
  EXPECT_SUCCEEDS(bitnetc_generate(sequence.get(), prompt.data(), 3, nullptr, nullptr));
  expect_none();
  for (const int64_t length : {int64_t{-1}, bitnetc_sequence_position(sequence.get()) + 1})
    EXPECT_FAILS(bitnetc_sequence_truncate(sequence.get(), length), BITNETC_INVALID_ARGUMENT,
                 "expected 0 to");
}

}  // namespace
}  // namespace bitnetc::test
