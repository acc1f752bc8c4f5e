// The promise of the house: the same bits whatever the thread count, the tier, and the way a prompt is cut
// into chunks. Everything here is compared with memcmp.
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "runtime/cpu_features.h"
#include "tests/support/engine_fixture.h"

namespace bitnetc::test {
namespace {

constexpr int32_t kBos = 4093;

// Longer than two softmax chunks of 256 positions, so their sums are exercised too.
std::vector<int32_t> long_prompt() {
  std::vector<int32_t> ids(600);
  std::iota(ids.begin(), ids.end(), 300);
  ids[0] = kBos;
  return ids;
}

// Logits of every position, then of 24 greedy steps.
std::vector<float> run_model(const Target& target, const SessionOptions& options) {
  auto session = make_session(bundled_executable(target), options);
  std::vector<float> all;
  const auto prompt = long_prompt();
  Status status = session->append_all_logits(prompt, [&](int64_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  });
  for (int step = 0; step < 24 && status.ok(); ++step) {
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

TEST(Determinism, PrefillChunks) {
  for (int chunk : {1, 5, 256})
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

INSTANTIATE_TEST_SUITE_P(Tiers, DeterminismTier,
                         testing::Values(Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni,
                                         Isa::kAmx),
                         [](const auto& tier) { return std::string(isa_name(tier.param)); });

}  // namespace
}  // namespace bitnetc::test
