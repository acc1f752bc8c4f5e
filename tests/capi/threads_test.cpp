// Several threads at once: what runs side by side, what is refused, and how it is stopped.
#include <atomic>
#include <thread>

#include "tests/capi/api_fixture.h"

namespace bitnetc::test {
namespace {

class ApiThreads : public Api {
 protected:
  static std::string story(const Model& model, uint64_t seed) {
    auto sampling = sized<bitnetc_sampling>();
    EXPECT_SUCCEEDS(bitnetc_model_get_sampling(model.get(), &sampling));
    sampling.seed = seed;
    auto options = sized<bitnetc_generate_options>();
    options.max_tokens = 64;
    options.sampling = &sampling;
    const ApiSequence sequence = sequence_of(model);
    return generate(sequence, tokenize(model, "Once upon a time"), options).text;
  }
  // Generates until the context ends: long enough to be met in the middle.
  static bitnetc_generate_options endless() {
    auto options = sized<bitnetc_generate_options>();
    options.max_tokens = 1000;
    options.ignore_end = 1;
    return options;
  }
};

TEST_F(ApiThreads, TwoModelsSideBySide) {
  const std::string first = story(open(), 1), second = story(open(), 2);
  std::string texts[2];
  std::thread one([&] {
    const Model model = open();
    for (int i = 0; i < 3; ++i) texts[0] = story(model, 1);
  });
  std::thread two([&] {
    const Model model = open();
    for (int i = 0; i < 3; ++i) texts[1] = story(model, 2);
  });
  one.join();
  two.join();
  EXPECT_EQ(texts[0], first);
  EXPECT_EQ(texts[1], second);
}

TEST_F(ApiThreads, SequencesOfOneModelSideBySide) {
  const Model model = open();
  const std::string expected = story(model, 3);
  std::string texts[4];
  std::vector<std::thread> threads;
  for (std::string& text : texts) threads.emplace_back([&] { text = story(model, 3); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) EXPECT_EQ(text, expected);
}

TEST_F(ApiThreads, CancelledFromAnotherThread) {
  const Model model = open();
  const ApiSequence sequence = sequence_of(model);
  const Cancel cancel = make_cancel();
  struct Meeting {
    std::atomic<bool> has_begun = false, is_requested = false;
  } meeting;
  auto options = endless();
  options.cancel = cancel.get();
  options.user_data = &meeting;
  options.on_text = [](void* user_data, const char*, size_t) {
    auto& met = *static_cast<Meeting*>(user_data);
    met.has_begun = true;
    while (!met.is_requested) std::this_thread::yield();
    return 0;
  };
  std::thread other([&] {
    while (!meeting.has_begun) std::this_thread::yield();
    bitnetc_cancel_request(cancel.get());
    meeting.is_requested = true;
  });
  const Ids prompt = tokenize(model, "Once upon a time");
  const bitnetc_generation generation = generate(sequence, prompt, options);
  other.join();
  EXPECT_EQ(generation.stop_reason, BITNETC_STOP_CANCELLED);
  EXPECT_GE(generation.token_count, 1u);
  EXPECT_LT(generation.token_count, 20u) << "it stops before the next token";
  const int32_t more[] = {1, 2};
  EXPECT_EQ(bitnetc_sequence_eval(sequence.get(), more, 2, cancel.get()), BITNETC_CANCELLED);
  bitnetc_cancel_reset(cancel.get());
  EXPECT_SUCCEEDS(bitnetc_sequence_eval(sequence.get(), more, 2, cancel.get()));
}

// A callback that calls back, and so another thread, is told; neither waits for itself.
TEST_F(ApiThreads, ASequenceInUseIsBusyAndSoAreItsForks) {
  struct Met {
    ApiSequence sequence, fork, apart;
    int calls = 0;
  } met;
  const Model model = open();
  met.sequence = sequence_of(model);
  met.fork = fork_of(met.sequence);
  met.apart = sequence_of(model);
  auto options = sized<bitnetc_generate_options>();
  options.max_tokens = 4;
  options.user_data = &met;
  options.on_text = [](void* user_data, const char*, size_t) {
    auto& inside = *static_cast<Met*>(user_data);
    ++inside.calls;
    const int32_t id = 1;
    const int32_t* tokens = nullptr;
    const float* logits = nullptr;
    size_t count = 0;
    bitnetc_sequence* fork = nullptr;
    for (const ApiSequence* each : {&inside.sequence, &inside.fork}) {
      EXPECT_FAILS(bitnetc_sequence_eval(each->get(), &id, 1, nullptr), BITNETC_BUSY,
                   "another call uses the sequence");
      EXPECT_EQ(bitnetc_sequence_truncate(each->get(), 0), BITNETC_BUSY);
      EXPECT_EQ(bitnetc_sequence_fork(each->get(), &fork), BITNETC_BUSY);
      EXPECT_EQ(bitnetc_sequence_get_tokens(each->get(), &tokens, &count), BITNETC_BUSY);
      EXPECT_EQ(bitnetc_sequence_get_logits(each->get(), &logits, &count), BITNETC_BUSY);
      EXPECT_EQ(bitnetc_sequence_position(each->get()), -1);
      EXPECT_EQ(bitnetc_generate(each->get(), &id, 1, nullptr, nullptr), BITNETC_BUSY);
    }
    EXPECT_SUCCEEDS(bitnetc_sequence_eval(inside.apart.get(), &id, 1, nullptr));
    return 0;
  };
  generate(met.sequence, tokenize(model, "Once upon a time"), options);
  EXPECT_GT(met.calls, 0);
  eval(met.fork, {1});
}

TEST_F(ApiThreads, MessagesBelongToTheThreadThatFailed) {
  EXPECT_EQ(bitnetc_cancel_create(nullptr), BITNETC_INVALID_ARGUMENT);
  std::string elsewhere = "unset";
  std::thread([&] { elsewhere = bitnetc_last_error(); }).join();
  EXPECT_EQ(elsewhere, "");
  EXPECT_STREQ(bitnetc_last_error(), "cancel is NULL");
  const Model model = open();
  EXPECT_STREQ(bitnetc_last_error(), "cancel is NULL") << "a success leaves it";
}

}  // namespace
}  // namespace bitnetc::test
