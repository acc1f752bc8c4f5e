#include "autotune/matmul_workload.h"

#include <gtest/gtest.h>

#include "compiler/plan_source.h"

namespace bitnetc {
namespace {

constexpr MatmulSpec kShape{.n = 96, .k = 80};

BuiltKernel build(KernelBuilder& builder, MatmulSpec spec, int m) {
  spec.m = m;
  auto built = builder.build_with("reference", {.spec = spec, .target = target_for(Isa::kScalar)});
  EXPECT_TRUE(built.ok()) << built.status().message();
  return *std::move(built);
}

TEST(MatmulWorkload, EveryThreadCountCoversTheMatrixOnce) {
  const MatmulWorkload workload(kShape, 1, 0);
  for (int threads = 1; threads <= 9; ++threads) {
    const CallWork memory = workload.work(WeightRegime::kMemory, threads);
    EXPECT_EQ(memory.weights, kShape.n * kShape.k) << threads;
    EXPECT_EQ(memory.weight_bytes, kShape.weight_layout().total_bytes()) << threads;
    const CallWork cache = workload.work(WeightRegime::kCache, threads);
    EXPECT_GT(cache.weights, 0) << threads;
    EXPECT_LE(cache.weights, kShape.n * kShape.k) << threads;
  }
}

TEST(MatmulWorkload, RunsBothRegimesInEveryLayoutAndEpilogue) {
  KernelBuilder builder;
  ThreadPool pool(2, false);
  for (const LayoutId layout : kLayouts) {
    for (const Epilogue epilogue : kEpilogues) {
      MatmulSpec spec = kShape;
      spec.layout = layout;
      spec.epilogue = epilogue;
      spec.row_max = epilogue == Epilogue::kSiluMul;
      MatmulWorkload workload(spec, 300, 3 * spec.weight_layout().total_bytes());
      for (const auto& [m, tokens] : {std::pair(1, 1), std::pair(kAnyM, 300)}) {
        const BuiltKernel built = build(builder, spec, m);
        EXPECT_TRUE(workload.check(builder, built, tokens).ok()) << spec_name(spec);
        EXPECT_GT(workload.run(built, tokens, WeightRegime::kCache, pool, 2), 0);
        EXPECT_GT(workload.run(built, tokens, WeightRegime::kMemory, pool, 5), 0);
      }
    }
  }
}

TEST(MatmulWorkload, AWrongKernelIsFound) {
  KernelBuilder builder;
  MatmulWorkload workload(kShape, 4, 0);
  BuiltKernel built = build(builder, kShape, 4);
  built.kernel = Kernel("idle", [](const void*, const void*) {}, nullptr, nullptr);
  const Status status = workload.check(builder, built, 4);
  EXPECT_EQ(status.code(), StatusCode::kDisqualified);
  EXPECT_NE(status.message().find("idle: y[0][0] is 0"), std::string::npos) << status.message();
}

TEST(MatmulWorkload, TablesAreBuilt) {
  KernelBuilder builder;
  MatmulSpec spec = kShape;
  spec.layout = LayoutId::kTl2;
  MatmulWorkload workload(spec, 1, 0);
  for (const TableForm form : {TableForm::kWords, TableForm::kBytes}) {
    const auto seconds = workload.build_tables(builder, target_for(Isa::kScalar), form);
    ASSERT_TRUE(seconds.ok()) << seconds.status().message();
    EXPECT_GT(*seconds, 0);
  }
}

}  // namespace
}  // namespace bitnetc
