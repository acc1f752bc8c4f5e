// Whole models on the emulated GPU: what NVRTC makes of the kernels, the launches, graphs, pages
// and uploads of the executor, against the logits of the CPU, bit by bit.
#include "runtime/gpu_executor.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "runtime/cpu_features.h"
#include "runtime/gpu_emulator.h"
#include "runtime/kernel_store.h"
#include "tests/support/engine_fixture.h"
#include "tests/support/gpu_kernels.h"
#include "tests/support/model_folder.h"

namespace bitnetc::test {
namespace {

constexpr int64_t kVocabulary = 320, kContext = 192;

std::shared_ptr<GpuDevice> emulated(int sm, uint64_t seed = 0) {
  auto gpu = make_emulated_gpu({.sm = sm, .seed = seed});
  EXPECT_TRUE(gpu.ok()) << gpu.status().message();
  return *std::move(gpu);
}

// Keeps what NVRTC made, so that it is made once for all tests.
KernelStore& kernel_store() {
  static TempFolder folder;
  static KernelStore store(folder.path().string(), no_notes());
  return store;
}

Result<std::shared_ptr<const Executable>> try_link(
    const std::shared_ptr<const CompiledModel>& model, const std::shared_ptr<GpuDevice>& gpu,
    KvType kv_type = KvType::kF16) {
  BuildSettings settings;
  settings.device = gpu.get();
  settings.store = &kernel_store();
  KernelBuilder builder(settings);
  const HeuristicPlanSource plans;
  LinkReport report;
  auto executable = link(model, builder,
                         {.target = gpu != nullptr ? gpu->target() : host_target(),
                          .plans = &plans,
                          .kv_type = kv_type,
                          .gpu = gpu},
                         &report);
  EXPECT_TRUE(gpu == nullptr || report.fallbacks().empty());
  return executable;
}

std::shared_ptr<const Executable> link_for(const std::shared_ptr<const CompiledModel>& model,
                                           const std::shared_ptr<GpuDevice>& gpu,
                                           KvType kv_type = KvType::kF16) {
  auto executable = try_link(model, gpu, kv_type);
  EXPECT_TRUE(executable.ok()) << executable.status().message();
  return *executable;
}

std::unique_ptr<Executor> executor_of(std::shared_ptr<const Executable> executable,
                                      int64_t page_limit = 0) {
  auto executor = make_executor(std::move(executable), {.page_limit = page_limit});
  EXPECT_TRUE(executor.ok()) << executor.status().message();
  return *std::move(executor);
}

class GpuExecution : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    write_model(make_packed_model({.max_positions = kContext}, 5), folder_->path() / "model");
    compile_folder((folder_->path() / "model").string(), folder_->file("model.bnc"), host_target());
    model_ = *CompiledModel::open(folder_->file("model.bnc"));
  }
  static void TearDownTestSuite() {
    model_.reset();
    folder_.reset();
  }
  void SetUp() override {
    if (!nvrtc_is_here()) GTEST_SKIP();
  }

  static std::unique_ptr<TempFolder> folder_;
  static std::shared_ptr<const CompiledModel> model_;
};
std::unique_ptr<TempFolder> GpuExecution::folder_;
std::shared_ptr<const CompiledModel> GpuExecution::model_;

// The same sequences on two executors.
struct Pair {
  Sequence cpu, gpu;
  int64_t length() const { return cpu.length(); }
};

// Random batches over four sequences, with forks and truncations between them, on both.
void run_the_same(Executor& cpu, Executor& gpu, uint32_t seed, int batches) {
  std::mt19937 random(seed);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  std::vector<Pair> all;
  for (int i = 0; i < 4; ++i) all.push_back({Sequence(cpu.pool()), Sequence(gpu.pool())});
  for (int batch = 0; batch < batches; ++batch) {
    if (below(3) == 0) {
      Pair &to = all[below(all.size())], &from = all[below(all.size())];
      if (&to != &from) to = {from.cpu.fork(), from.gpu.fork()};
    }
    if (below(3) == 0) {
      Pair& each = all[below(all.size())];
      const auto length = static_cast<int64_t>(below(static_cast<size_t>(each.length()) + 1));
      each.cpu.truncate(length);
      each.gpu.truncate(length);
    }
    std::vector<BatchRow> on_cpu, on_gpu;
    for (Pair& each : all) {
      const auto room = static_cast<size_t>(kContext - each.length());
      for (size_t n = std::min(below(3) == 0 ? below(20) : below(3), room), i = 0; i < n; ++i) {
        const LogitsNeed need{.kind =
                                  below(3) == 0 ? LogitsNeed::Kind::kAll : LogitsNeed::Kind::kNone};
        BatchRow row{.sequence = &each.cpu,
                     .token = static_cast<int32_t>(below(kVocabulary)),
                     .position = each.length() + static_cast<int64_t>(i),
                     .need = need};
        on_cpu.push_back(row);
        row.sequence = &each.gpu;
        on_gpu.push_back(row);
      }
    }
    if (on_cpu.empty()) continue;
    ASSERT_TRUE(cpu.run(on_cpu).ok());
    const Status status = gpu.run(on_gpu);
    ASSERT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < on_cpu.size(); ++i) {
      if (on_cpu[i].need.kind == LogitsNeed::Kind::kNone) continue;
      const auto expected = cpu.scores(i).logits, got = gpu.scores(i).logits;
      ASSERT_EQ(expected.size(), got.size());
      ASSERT_EQ(std::memcmp(expected.data(), got.data(), expected.size_bytes()), 0)
          << "seed " << seed << ", batch " << batch << ", row " << i << " of " << on_cpu.size();
    }
  }
}

TEST_F(GpuExecution, EveryMixtureOfSequencesGivesTheBitsOfTheCpu) {
  const auto cpu = executor_of(link_for(model_, nullptr));
  for (const int sm : {75, 90}) {
    SCOPED_TRACE(sm);
    const auto gpu = executor_of(link_for(model_, emulated(sm, static_cast<uint64_t>(sm))));
    ASSERT_NO_FATAL_FAILURE(run_the_same(*cpu, *gpu, static_cast<uint32_t>(sm), 12));
  }
}

TEST_F(GpuExecution, EachTypeOfKeysAndValuesGivesTheBitsOfTheCpu) {
  for (const KvType type : {KvType::kF32, KvType::kI8}) {
    SCOPED_TRACE(kv_type_name(type));
    const auto cpu = executor_of(link_for(model_, nullptr, type));
    const auto gpu = executor_of(link_for(model_, emulated(80), type));
    ASSERT_NO_FATAL_FAILURE(run_the_same(*cpu, *gpu, 7, 6));
  }
}

// A prompt in one pass, then tokens one by one, whose launches are a graph.
TEST_F(GpuExecution, TheBundledModelGivesTheBitsOfTheCpu) {
  const auto on_cpu = bundled_executable(host_target());
  const auto on_gpu = link_for(on_cpu->model, emulated(90));
  const auto cpu = make_session(on_cpu), gpu = make_session(on_gpu);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 40; ++i) tokens.push_back((37 * i + 11) % 250);
  for (int step = 0; step < 6; ++step) {
    ASSERT_TRUE(cpu->append(tokens).ok());
    const Status status = gpu->append(tokens);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(std::memcmp(cpu->logits().data(), gpu->logits().data(), cpu->logits().size_bytes()),
              0)
        << "step " << step;
    const auto best = std::ranges::max_element(gpu->logits()) - gpu->logits().begin();
    tokens = {static_cast<int32_t>(best)};
  }
}

// Its kernels read i2_s; what is repacked for it does not stay on the host.
TEST_F(GpuExecution, AModelInAnotherLayoutGivesTheBitsOfTheCpu) {
  compile_folder((folder_->path() / "model").string(), folder_->file("tl2.bnc"), host_target(),
                 LayoutId::kTl2);
  const std::shared_ptr<const CompiledModel> model = *CompiledModel::open(folder_->file("tl2.bnc"));
  const auto on_gpu = link_for(model, emulated(90));
  EXPECT_TRUE(on_gpu->repacked.empty());
  const auto cpu = executor_of(link_for(model_, nullptr)), gpu = executor_of(on_gpu);
  ASSERT_NO_FATAL_FAILURE(run_the_same(*cpu, *gpu, 3, 4));
}

TEST_F(GpuExecution, ErrorsChangeNoSequence) {
  const auto gpu = executor_of(link_for(model_, emulated(90)), /*page_limit=*/2);
  Sequence sequence(gpu->pool());
  std::vector<BatchRow> rows;
  for (int64_t i = 0; i < 129; ++i)
    rows.push_back({.sequence = &sequence, .token = 1, .position = i});
  EXPECT_EQ(gpu->run(rows).code(), StatusCode::kOutOfMemory);
  EXPECT_EQ(sequence.length(), 0);
  const CancelToken cancel = true;
  rows.resize(1);
  EXPECT_EQ(gpu->run(rows, &cancel).code(), StatusCode::kCancelled);
  rows[0].token = kVocabulary;
  EXPECT_EQ(gpu->run(rows).message(), "token 0 has id 320, expected 0..319");
  rows[0].token = 1;
  EXPECT_TRUE(gpu->run(rows).ok());
  EXPECT_EQ(sequence.length(), 1);
}

TEST_F(GpuExecution, AModelThatDoesNotFitIsRefused) {
  auto gpu = make_emulated_gpu({.sm = 90, .memory_bytes = 50'000});
  ASSERT_TRUE(gpu.ok());
  const auto linked = try_link(model_, *std::move(gpu));
  ASSERT_FALSE(linked.ok());
  EXPECT_EQ(linked.status().code(), StatusCode::kOutOfMemory) << linked.status().message();
}

}  // namespace
}  // namespace bitnetc::test
