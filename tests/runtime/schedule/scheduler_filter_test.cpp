// Requests whose texts a filter constrains: they get what they get alone, and what the filter
// refuses never comes.
#include "tests/support/schedule_fixture.h"

namespace bitnetc::test {
namespace {

// Lets ids come whose remainder by `modulus` is that of the place in the text; ends after `length`.
class RemainderFilter final : public TokenFilter {
 public:
  RemainderFilter(int32_t modulus, int64_t length, int64_t vocabulary)
      : modulus_(modulus), length_(length), vocabulary_(vocabulary) {}

  std::span<const uint64_t> allowed() override {
    words_.assign(static_cast<size_t>(vocabulary_ + 63) / 64, 0);
    for (int32_t id = 0; id < vocabulary_; ++id)
      if (lets(id)) words_[static_cast<size_t>(id) / 64] |= uint64_t{1} << id % 64;
    return words_;
  }
  bool accept(int32_t id) override {
    if (!lets(id)) return false;
    ++place_;
    return true;
  }
  bool may_end() const override { return place_ == length_; }
  std::unique_ptr<TokenFilter> fork() const override {
    return std::make_unique<RemainderFilter>(*this);
  }

 private:
  bool lets(int32_t id) const {
    return place_ < length_ && id >= 0 && id < vocabulary_ - 1 &&
           id % modulus_ == place_ % modulus_;
  }

  int32_t modulus_;
  int64_t length_, vocabulary_, place_ = 0;
  std::vector<uint64_t> words_;
};

class FilteredRequests : public ScheduleFixture {
 protected:
  static TokenRequest request(int32_t modulus, int64_t length, int64_t most, double temperature) {
    return {.prompt = {1, 2, 3, modulus},
            .most_tokens = most,
            .sampling = {
                .temperature = temperature,
                .top_k = 20,
                .repeat_penalty = 1.3,
                .seed = 7,
                .filter = std::make_shared<const RemainderFilter>(modulus, length, kVocabulary)}};
  }
};

TEST_F(FilteredRequests, GetWhatTheyGetAloneAndNothingThatIsRefused) {
  auto scheduler = make_scheduler(make_executor(), {.page_limit = 64});
  std::vector<Told> told(12);
  for (int i = 0; i < 12; ++i) {
    const TokenRequest each = request(2 + i, 30, 20, i % 2 == 0 ? 0.0 : 1.0);
    ASSERT_TRUE(scheduler->submit(recorded(each, told[static_cast<size_t>(i)])).ok());
  }
  while (scheduler->step()) continue;
  for (int i = 0; i < 12; ++i) {
    const Told& each = told[static_cast<size_t>(i)];
    EXPECT_EQ(each.ids, alone(request(2 + i, 30, 20, i % 2 == 0 ? 0.0 : 1.0)));
    ASSERT_EQ(each.ids.size(), 20u);
    for (size_t place = 0; place < each.ids.size(); ++place)
      EXPECT_EQ(each.ids[place] % (2 + i), static_cast<int32_t>(place) % (2 + i));
  }
}

TEST_F(FilteredRequests, EndWhereNothingFollows) {
  auto scheduler = make_scheduler(make_executor(), {.page_limit = 64});
  Told told, empty;
  ASSERT_TRUE(scheduler->submit(recorded(request(3, 5, 20, 0), told)).ok());
  ASSERT_TRUE(scheduler->submit(recorded(request(3, 0, 20, 0), empty)).ok());
  while (scheduler->step()) continue;
  ASSERT_TRUE(told.end && empty.end);
  EXPECT_EQ(told.ids.size(), 5u);
  EXPECT_EQ(told.end->reason, EndReason::kStopId);
  EXPECT_TRUE(empty.ids.empty());
  EXPECT_EQ(empty.end->reason, EndReason::kStopId);
}

TEST_F(FilteredRequests, FailWhereNothingFollowsAndTheTextMayNotEnd) {
  auto scheduler = make_scheduler(make_executor(), {.page_limit = 64});
  Told told;
  TokenRequest each = request(1'000, 1'000, 500, 0);
  each.prompt = {1};
  each.most_tokens = 200;
  each.sampling.filter = std::make_shared<const RemainderFilter>(1'000, 1'000, 10);
  ASSERT_TRUE(scheduler->submit(recorded(each, told)).ok());
  while (scheduler->step()) continue;
  ASSERT_TRUE(told.end.has_value());
  EXPECT_EQ(told.ids.size(), 9u);
  EXPECT_EQ(told.end->reason, EndReason::kFailed);
  EXPECT_EQ(told.end->status.code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace bitnetc::test
