#include "runtime/device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/cpu_features.h"

namespace bitnetc {
namespace {

struct AddArgs {
  const int* a;
  int* sum;
};

Kernel add_one() {
  return Kernel(
      "add_one",
      [](const void* args, const void*) {
        const auto& a = *static_cast<const AddArgs*>(args);
        *a.sum = *a.a + 1;
      },
      nullptr, nullptr);
}

TEST(CpuDevice, IsTheTargetOfThisProcess) {
  EXPECT_EQ(cpu_device().target(), host_target());
  EXPECT_TRUE(cpu_device().shares_host_memory());
}

TEST(CpuDevice, MemoryIsZeroAndAligned) {
  for (const size_t bytes : {1u, 64u, 100'000u}) {
    const auto memory = cpu_device().allocate(bytes);
    ASSERT_TRUE(memory.ok());
    EXPECT_EQ(memory->bytes, bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->address) % kCacheLineBytes, 0u);
    std::vector<std::byte> seen(bytes, std::byte{1});
    ASSERT_TRUE(cpu_device().download(seen.data(), memory->address, bytes).ok());
    EXPECT_TRUE(std::ranges::all_of(seen, [](std::byte b) { return b == std::byte{0}; }));
  }
  EXPECT_TRUE(cpu_device().allocate(0).ok());
}

TEST(CpuDevice, RunsAKernelOnWhatWasUploaded) {
  Device& device = cpu_device();
  const auto memory = device.allocate(2 * sizeof(int));
  ASSERT_TRUE(memory.ok());
  const int a = 41;
  ASSERT_TRUE(device.upload(memory->address, &a, sizeof a).ok());
  const AddArgs args{.a = reinterpret_cast<const int*>(memory->address),
                     .sum = reinterpret_cast<int*>(memory->address + sizeof(int))};
  ASSERT_TRUE(device.run(add_one(), &args, sizeof args).ok());
  int both[2];
  ASSERT_TRUE(device.download(both, memory->address, sizeof both).ok());
  EXPECT_EQ(both[0], 41);
  EXPECT_EQ(both[1], 42);
}

TEST(CpuDevice, RefusesCodeOfAnotherDevice) {
  const int function = 0;
  const Kernel elsewhere("elsewhere", nullptr, &function, nullptr);
  EXPECT_TRUE(elsewhere);
  EXPECT_FALSE(elsewhere.is_host());
  EXPECT_TRUE(add_one().is_host());
  EXPECT_FALSE(Kernel());
  const Status status = cpu_device().run(elsewhere, nullptr, 0);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_EQ(status.message(), "elsewhere is not code of a CPU");
}

TEST(CpuDevice, AFaultIsAnError) {
  const Kernel illegal(
      "illegal", [](const void*, const void*) { __builtin_trap(); }, nullptr, nullptr);
  const Status status = cpu_device().run(illegal, nullptr, 0);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_EQ(status.message(), "raised Illegal instruction");
}

}  // namespace
}  // namespace bitnetc
