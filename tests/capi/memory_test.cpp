// No exception leaves the library: memory that is refused at any point of a call is a status, and
// the objects can be used afterwards.
#include <cstdlib>
#include <new>
#include <stdexcept>

#include "tests/capi/api_fixture.h"

namespace {

// Allocations of this thread until one is refused; below 0: none is.
thread_local long allocations_left = -1;

void* allocate(std::size_t size) {
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The library's own calls of operator new come here, too. Not inlined, for one of them in a caller
// without the other looks to g++ as if memory went back where it did not come from.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return allocate(size);
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace bitnetc::test {
namespace {

class ApiMemory : public Api {
 protected:
  // Calls again and again, each time refusing a later allocation, until nothing is refused. Whether
  // allocations were refused, and each was told.
  template <typename Call>
  static void refuse_each(const Call& call) {
    int refused = 0;
    for (long allowed = 0; allowed < 100000; allowed += 1 + allowed / 50) {
      allocations_left = allowed;
      const bitnetc_status status = call();
      const bool was_reached = allocations_left < 0;
      allocations_left = -1;
      if (status == BITNETC_OK && !was_reached) break;
      EXPECT_TRUE(status == BITNETC_OUT_OF_MEMORY || status == BITNETC_OK)
          << allowed << ": " << bitnetc_last_error();
      if (status == BITNETC_OUT_OF_MEMORY) {
        EXPECT_NE(std::string(bitnetc_last_error()).find("memory"), std::string::npos);
        ++refused;
      }
    }
    EXPECT_GT(refused, 0);
  }
};

TEST_F(ApiMemory, RefusedWhileTokenizing) {
  const Model model = open();
  const Ids expected = tokenize(model, "Once upon a time");
  Ids ids(16);
  size_t count = 0;
  refuse_each([&] {
    return bitnetc_tokenize(model.get(), "Once upon a time", 16, BITNETC_ADD_SPECIAL, ids.data(),
                            ids.size(), &count);
  });
  ids.resize(count);
  EXPECT_EQ(ids, expected);
}

TEST_F(ApiMemory, RefusedWhileMakingObjects) {
  const Model model = open();
  refuse_each([&] {
    bitnetc_sampler* sampler = nullptr;
    const bitnetc_status status = bitnetc_sampler_create(model.get(), nullptr, &sampler);
    bitnetc_sampler_free(sampler);
    return status;
  });
  refuse_each([&] {
    bitnetc_sequence* sequence = nullptr;
    const bitnetc_status status = bitnetc_sequence_create(model.get(), 0, &sequence);
    bitnetc_sequence_free(sequence);
    return status;
  });
}

TEST_F(ApiMemory, RefusedWhileEvaluating) {
  const Model model = open(nullptr, 1);
  const ApiSequence sequence = sequence_of(model);
  const Ids ids = {1, 2, 3};
  refuse_each([&] {
    const bitnetc_status truncated = bitnetc_sequence_truncate(sequence.get(), 0);
    if (truncated != BITNETC_OK) return truncated;
    return bitnetc_sequence_eval(sequence.get(), ids.data(), ids.size(), nullptr);
  });
  const ApiSequence fresh = sequence_of(model);
  eval(fresh, ids);
  EXPECT_TRUE(are_equal(logits_of(sequence), logits_of(fresh)));
}

TEST_F(ApiMemory, RefusedWhileGenerating) {
  const Model model = open(nullptr, 1);
  const ApiSequence sequence = sequence_of(model);
  const Ids prompt = tokenize(model, "Once upon a time");
  auto options = sized<bitnetc_generate_options>();
  options.max_tokens = 4;
  refuse_each([&] {
    return bitnetc_generate(sequence.get(), prompt.data(), prompt.size(), &options, nullptr);
  });
  const std::string text = generate(sequence_of(model), prompt, options).text;
  EXPECT_EQ(generate(sequence, prompt, options).text, text);
}

TEST_F(ApiMemory, ExceptionsOfACallbackStopAtTheLibrary) {
  const Model model = open();
  const ApiSequence sequence = sequence_of(model);
  auto options = sized<bitnetc_generate_options>();
  options.on_text = [](void*, const char*, size_t) -> int { throw std::runtime_error("mine"); };
  const Ids prompt = tokenize(model, "Once upon a time");
  EXPECT_FAILS(bitnetc_generate(sequence.get(), prompt.data(), prompt.size(), &options, nullptr),
               BITNETC_INTERNAL, "mine");
  options.on_text = [](void*, const char*, size_t) -> int { throw 1; };
  EXPECT_FAILS(bitnetc_generate(sequence.get(), prompt.data(), prompt.size(), &options, nullptr),
               BITNETC_INTERNAL, "an exception of unknown type");
  const ApiSequence fresh = sequence_of(model);
  eval(sequence, {7});
  Ids whole = prompt;
  whole.push_back(7);
  eval(fresh, whole);
  EXPECT_TRUE(are_equal(logits_of(sequence), logits_of(fresh)));
}

}  // namespace
}  // namespace bitnetc::test
