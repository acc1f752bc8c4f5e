// The promise of the house: the same bits whatever the thread count, the tier, the layout of the
// weights, and the way a prompt is cut into chunks. Everything here is compared with memcmp.
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"

namespace bitnetc::test {
namespace {

constexpr int32_t kBos = 4093;

struct Story {
  size_t prompt_tokens = 0;
  int steps = 0;  // greedy ones
};
// Longer than two softmax chunks of 256 positions, so their sums are exercised too.
constexpr Story kLong{.prompt_tokens = 600, .steps = 24};
// For the reference kernels: still more tokens than a kernel for one number of tokens takes.
constexpr Story kShort{.prompt_tokens = 11, .steps = 4};

std::vector<int32_t> prompt_of(const Story& story) {
  std::vector<int32_t> ids(story.prompt_tokens);
  std::iota(ids.begin(), ids.end(), 300);
  ids[0] = kBos;
  return ids;
}

// Logits of every position of the prompt, then of the greedy steps.
std::vector<float> run_model(const Target& target, const SessionOptions& options,
                             const Story& story = kLong, LayoutId layout = LayoutId::kI2S) {
  auto session = make_session(bundled_executable(target, layout), options);
  std::vector<float> all;
  const auto prompt = prompt_of(story);
  Status status = session->append_all_logits(prompt, [&](int64_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  });
  for (int step = 0; step < story.steps && status.ok(); ++step) {
    const auto logits = session->logits();
    const auto id =
        static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    status = session->append({&id, 1});
    all.insert(all.end(), session->logits().begin(), session->logits().end());
  }
  EXPECT_TRUE(status.ok()) << status.message();
  return all;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b,
                      const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  const bool same = std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  EXPECT_TRUE(same) << what;
  if (same) return;
  size_t first = 0;
  while (std::memcmp(&a[first], &b[first], sizeof(float)) == 0) ++first;
  ADD_FAILURE() << what << ": first difference at value " << first << ": " << a[first] << " and "
                << b[first];
}

const std::vector<float>& expected_bits() {
  static const std::vector<float> bits = run_model(host_target(), {.threads = 1});
  return bits;
}

TEST(Determinism, ThreadCounts) {
  for (int threads : {2, 3, 7})
    expect_same_bits(run_model(host_target(), {.threads = threads}), expected_bits(),
                     std::to_string(threads) + " threads");
}

// 599 = 2 * 256 + 87 tokens behind one another, and a lone token behind full chunks.
TEST(Determinism, PrefillChunks) {
  for (int chunk : {1, 5, 8, 9, 256, 599, 1000})
    expect_same_bits(run_model(host_target(), {.threads = 2, .chunk_tokens = chunk}),
                     expected_bits(), "chunks of " + std::to_string(chunk));
}

class DeterminismTier : public testing::TestWithParam<Isa> {};

TEST_P(DeterminismTier, SameBits) {
  const Target host = host_target();
  if (!host.supports(GetParam())) {
    std::printf("SKIPPED: this CPU has no %s; its kernels were not run\n",
                std::string(isa_name(GetParam())).c_str());
    GTEST_SKIP() << "needs " << isa_name(GetParam());
  }
  expect_same_bits(run_model(target_for(GetParam()), {.threads = 2}), expected_bits(),
                   std::string(isa_name(GetParam())));
}

class DeterminismLayout : public testing::TestWithParam<std::tuple<LayoutId, Isa>> {};

TEST_P(DeterminismLayout, SameBits) {
  const auto [layout, isa] = GetParam();
  if (!host_target().supports(isa)) {
    std::printf("SKIPPED: this CPU has no %s; its kernels were not run\n",
                std::string(isa_name(isa)).c_str());
    GTEST_SKIP() << "needs " << isa_name(isa);
  }
  static const std::vector<float> expected = run_model(host_target(), {.threads = 1}, kShort);
  for (const int threads : {1, 2, 3})
    expect_same_bits(
        run_model(target_for(isa), {.threads = threads}, kShort, layout), expected,
        fmt::format("{}, {}, {} threads", layout_name(layout), isa_name(isa), threads));
}

INSTANTIATE_TEST_SUITE_P(Layouts, DeterminismLayout,
                         testing::Combine(testing::ValuesIn(kLayouts),
                                          testing::Values(Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni,
                                                          Isa::kAvx512Vnni, Isa::kAmx)),
                         [](const auto& pair) {
                           return fmt::format("{}_{}", layout_name(std::get<0>(pair.param)),
                                              isa_name(std::get<1>(pair.param)));
                         });

INSTANTIATE_TEST_SUITE_P(Tiers, DeterminismTier,
                         testing::Values(Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni,
                                         Isa::kAmx),
                         [](const auto& tier) { return std::string(isa_name(tier.param)); });

}  // namespace
}  // namespace bitnetc::test
