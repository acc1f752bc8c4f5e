// What is kept between answers changes none of them.
#include <gtest/gtest.h>

#include "tests/support/chat_fixture.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/expect_error.h"
#include "tools/chat/answerer.h"
#include "tools/engine/engine.h"

namespace bitnetc::chat {
namespace {

using bitnetc::test::expect_error;

class AnswererTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto engine = make_engine(bitnetc::test::bundled_model_folder(), {.plan = {.threads = 1}});
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    engine_ = std::make_unique<const Engine>(*std::move(engine));
    template_ = *ChatTemplate::create(bitnetc::test::kTestTemplate, "t.jinja", {});
  }
  static void TearDownTestSuite() {
    template_.reset();
    engine_.reset();
  }

  // With a session of its own.
  struct Fresh {
    explicit Fresh(int64_t context = 0)
        : session(*Session::create(engine_->executable, {.context_tokens = context})),
          answerer(*session, *engine_->tokenizer, *template_, {.max_tokens = 20}) {}
    Result<Answer> answer(const std::vector<ChatMessage>& messages, size_t most_pieces = 1000,
                          uint64_t seed = 0) {
      const auto on_text = [&](const ThinkSplit&) { return --most_pieces > 0; };
      return answerer.answer(messages, seed, on_text, stop);
    }
    std::unique_ptr<Session> session;
    CancelToken stop{false};
    Answerer answerer;
  };
  static void expect_the_same_as_fresh(Fresh& used, const std::vector<ChatMessage>& messages) {
    const auto answer = used.answer(messages);
    const auto fresh = Fresh().answer(messages);
    ASSERT_TRUE(answer.ok() && fresh.ok()) << answer.status().message();
    EXPECT_EQ(answer->written.ids, fresh->written.ids);
    EXPECT_EQ(answer->written.text, fresh->written.text);
    EXPECT_EQ(answer->prompt_tokens, fresh->prompt_tokens);
  }

  static std::unique_ptr<const Engine> engine_;
  static std::unique_ptr<const ChatTemplate> template_;
  const std::vector<ChatMessage> one_ = {{"user", "Once upon a time there was a king."}};
  const std::vector<ChatMessage> two_ = {{"user", "Once upon a time there was a king."},
                                         {"assistant", " He had a daughter."},
                                         {"user", "And then?"}};
};
std::unique_ptr<const Engine> AnswererTest::engine_;
std::unique_ptr<const ChatTemplate> AnswererTest::template_;

TEST_F(AnswererTest, ReusesWhatBeginsAlikeAndNothingElse) {
  Fresh used;
  const auto first = used.answer(one_);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->reused_tokens, 0);
  const auto again = used.answer(one_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->reused_tokens, again->prompt_tokens - 1) << "the last token is read again";
  EXPECT_EQ(again->written.ids, first->written.ids);
  const auto second = used.answer(two_);
  ASSERT_TRUE(second.ok());
  EXPECT_GE(second->reused_tokens, first->prompt_tokens);
  const auto other = used.answer({{"system", "Be brief."}, {"user", "Hello."}});
  ASSERT_TRUE(other.ok());
  EXPECT_LE(other->reused_tokens, 1) << "begin of text";
}

TEST_F(AnswererTest, EveryConversationIsAnsweredAsByAFreshSession) {
  Fresh used;
  for (const auto& messages : {one_, two_, one_, {{"user", "x"}}, two_})
    expect_the_same_as_fresh(used, messages);
}

TEST_F(AnswererTest, AStoppedAnswerLeavesNothingBehind) {
  for (const size_t pieces : {1, 2, 7}) {
    Fresh used;
    const auto stopped = used.answer(one_, pieces);
    ASSERT_TRUE(stopped.ok());
    EXPECT_EQ(stopped->written.stop_reason, StopReason::kInterrupted);
    const auto whole = Fresh().answer(one_);
    EXPECT_TRUE(whole->written.text.starts_with(stopped->written.text));
    expect_the_same_as_fresh(used, {one_[0], {"assistant", stopped->written.text}, {"user", "x"}});
  }
  Fresh used;
  used.stop.store(true);
  const auto nothing = used.answer(one_);
  ASSERT_TRUE(nothing.ok()) << nothing.status().message();
  EXPECT_EQ(nothing->written.text, "");
  EXPECT_EQ(nothing->written.stop_reason, StopReason::kInterrupted);
  used.stop.store(false);
  expect_the_same_as_fresh(used, one_);
}

TEST_F(AnswererTest, WhatDoesNotFitIsRefusedAndTheRestIsThere) {
  Fresh used(/*context=*/40);
  const auto first = used.answer(one_);
  ASSERT_TRUE(first.ok()) << first.status().message();
  const int64_t tokens = used.answerer.tokens();
  std::string words;
  for (int i = 0; i < 60; ++i) words += " word";
  const std::string alone = used.answer({{"user", words}}).status().message();
  EXPECT_TRUE(alone.starts_with("this message alone has ")) << alone;
  EXPECT_TRUE(alone.ends_with(" tokens, the context is 40")) << alone;
  expect_error(used.answer({{"system", "Be kind."}, {"user", words}}), StatusCode::kInvalidArgument,
               {"with the system message, the context is 40"});
  expect_error(used.answer({{"user", words}, {"assistant", "So."}, {"user", "Why?"}}),
               StatusCode::kInvalidArgument, {"the context 40", "/reset"});
  EXPECT_EQ(used.answerer.tokens(), tokens);
  const auto again = used.answer(one_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->written.ids, first->written.ids);
}

TEST_F(AnswererTest, ATemplateMayRefuse) {
  const auto strict = *ChatTemplate::create("{{ raise_exception('no such role') }}", "t", {});
  Fresh used;
  Answerer answerer(*used.session, *engine_->tokenizer, *strict, {.max_tokens = 4});
  const auto on_text = [](const ThinkSplit&) { return true; };
  expect_error(answerer.answer(one_, 0, on_text, used.stop), StatusCode::kInvalidArgument,
               {"no such role"});
}

}  // namespace
}  // namespace bitnetc::chat
