#include "autotune/matmul_workload.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>

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
      spec.row_absmax = epilogue == Epilogue::kSiluMul;
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
  EXPECT_NE(status.message().find("idle: y[0][0] is nan"), std::string::npos) << status.message();
}

TEST(MatmulWorkload, WhatAnotherKernelLeftDoesNotPassForAKernelsOwn) {
  KernelBuilder builder;
  MatmulWorkload workload(kShape, 4, 0);
  BuiltKernel built = build(builder, kShape, 4);
  ASSERT_TRUE(workload.check(builder, built, 4).ok());
  built.kernel = Kernel("idle", [](const void*, const void*) {}, nullptr, nullptr);
  const Status status = workload.check(builder, built, 4);
  EXPECT_NE(status.message().find("idle: y[0][0] is nan"), std::string::npos) << status.message();
}

TEST(MatmulWorkload, OneMemoryServesOneWorkloadAfterAnother) {
  KernelBuilder builder;
  ThreadPool pool(1, false);
  const auto memory = std::make_shared<WeightMemory>(WeightMemory::Pages::kSmall);
  for (const int64_t n : {96, 32, 160}) {
    for (const LayoutId layout : kLayouts) {
      const MatmulSpec spec{.n = n, .k = 80, .layout = layout};
      MatmulWorkload workload(spec, 1, 10000, memory);
      const BuiltKernel built = build(builder, spec, 1);
      EXPECT_TRUE(workload.check(builder, built, 1).ok()) << spec_name(spec);
      EXPECT_GT(workload.run(built, 1, WeightRegime::kMemory, pool, 20), 0);
    }
  }
}

// A kernel that only writes down which tiles it is called with.
TEST(MatmulWorkload, PiecesCoverEveryCopyOnce) {
  static std::array<std::atomic<int>, 64> visits;
  for (const int threads : {1, 2, 3}) {
    for (const Epilogue epilogue : {Epilogue::kScale, Epilogue::kRelu2Mul}) {
      const MatmulSpec spec{.n = 62 * kTileRows, .k = 80, .epilogue = epilogue};
      KernelBuilder builder;
      ThreadPool pool(threads, false);
      MatmulWorkload workload(spec, 1, 0);
      BuiltKernel built = build(builder, spec, 1);
      built.kernel = Kernel(
          "scout",
          [](const void* args, const void*) {
            const auto& matmul = *static_cast<const MatmulArgs*>(args);
            for (int64_t tile = matmul.tile_begin; tile < matmul.tile_end; ++tile)
              ++visits[static_cast<size_t>(tile)];
          },
          nullptr, nullptr);
      EXPECT_EQ(workload.pieces(1, threads, 1 << 30), 1);
      const int64_t pieces = workload.pieces(1, threads, 1);
      EXPECT_GT(pieces, 1) << threads;
      for (auto& each : visits) each = 0;
      EXPECT_GT(workload.run_pieces(built, 1, pool, pieces, pieces - 1), 0);
      EXPECT_GT(workload.run_pieces(built, 1, pool, pieces, 1), 0);
      for (int64_t tile = 0; tile < 62; ++tile)
        EXPECT_EQ(visits[static_cast<size_t>(tile)], 1) << tile << " with " << threads;
    }
  }
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
