#include "runtime/exec_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace bitnetc {
namespace {

// mov eax, 42; ret   /   mov w0, #42; ret
#if defined(__x86_64__)
constexpr uint8_t kReturn42[] = {0xb8, 42, 0, 0, 0, 0xc3};
constexpr uint8_t kTrap = 0xcc;
#elif defined(__aarch64__)
constexpr uint8_t kReturn42[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
constexpr uint8_t kTrap = 0x00;
#endif

int call(const uint8_t* code) {
  return reinterpret_cast<int (*)()>(reinterpret_cast<uintptr_t>(code))();
}

// The permissions of the mapping that holds `address`, "r-xs", or "" when nothing is mapped there.
std::string permissions_at(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::string permissions;
    fields >> std::hex >> begin >> dash >> end >> permissions;
    const uintptr_t value = reinterpret_cast<uintptr_t>(address);
    if (value >= begin && value < end) return permissions;
  }
  return "";
}

std::vector<std::string> code_mappings() {
  std::vector<std::string> lines;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("bitnetc-code") != std::string::npos) lines.push_back(line);
  return lines;
}

TEST(ExecMemory, CodeWrittenThroughOneViewRunsThroughTheOther) {
  std::unique_ptr<ExecMemory> block = ExecMemory::allocate(sizeof(kReturn42)).value();
  const CodeSpan span = block->span();
  ASSERT_NE(span.rw, span.rx);
  ASSERT_GE(span.size_bytes, sizeof(kReturn42));
  EXPECT_EQ(permissions_at(span.rw), "rw-s");
  EXPECT_EQ(permissions_at(span.rx), "r-xs");
  std::memcpy(span.rw, kReturn42, sizeof(kReturn42));
  block->publish();
  EXPECT_EQ(call(span.rx), 42);
}

TEST(ExecMemory, NothingIsWritableAfterPublish) {
  std::unique_ptr<ExecMemory> block = ExecMemory::allocate(10000).value();
  const uint8_t* rw = block->span().rw;
  EXPECT_EQ(code_mappings().size(), 2u);
  block->publish();
  EXPECT_EQ(block->span().rw, nullptr);
  EXPECT_EQ(permissions_at(rw), "");
  ASSERT_EQ(code_mappings().size(), 1u);
  EXPECT_NE(code_mappings().front().find(" r-xs "), std::string::npos) << code_mappings().front();
  block->publish();  // a second time changes nothing
  block.reset();
  EXPECT_TRUE(code_mappings().empty());
}

TEST(ExecMemory, NoPageIsEverWritableAndExecutable) {
  const std::unique_ptr<ExecMemory> unpublished = ExecMemory::allocate(1).value();
  const std::shared_ptr<const ExecMemory> published = publish_code(kReturn42).value();
  for (const std::string& line : code_mappings())
    EXPECT_FALSE(line.find('w') < line.find(" 0") && line.find('x') < line.find(" 0")) << line;
}

TEST(ExecMemory, CodeStandsBetweenTrapInstructions) {
  const std::shared_ptr<const ExecMemory> block = publish_code(kReturn42).value();
  const CodeSpan& span = block->span();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(span.rx) % ExecMemory::kPaddingBytes, 0u);
  for (size_t i = 1; i <= ExecMemory::kPaddingBytes; ++i)
    ASSERT_EQ(span.rx[-static_cast<int>(i)], kTrap);
  for (size_t i = sizeof(kReturn42); i < span.size_bytes; ++i) ASSERT_EQ(span.rx[i], kTrap);
}

TEST(ExecMemory, ABlockLivesUntilItsLastOwnerLetsGo) {
  std::shared_ptr<const ExecMemory> first = publish_code(kReturn42).value();
  const uint8_t* rx = first->span().rx;
  std::shared_ptr<const ExecMemory> second = first;
  first.reset();
  EXPECT_EQ(call(rx), 42);
  second.reset();
  EXPECT_EQ(permissions_at(rx), "");
}

TEST(ExecMemory, ThreadsAllocateIndependently) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 50; ++round)
        ASSERT_EQ(call(publish_code(kReturn42).value()->span().rx), 42);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(code_mappings().empty());
}

TEST(ExecMemory, IsAvailableHere) {
  const Status status = exec_memory_available();
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(ExecMemory, AnImpossibleSizeIsACleanError) {
  const auto block = ExecMemory::allocate(size_t{1} << 62);
  ASSERT_FALSE(block.ok());
  EXPECT_TRUE(block.status().message().starts_with("executable memory: "))
      << block.status().message();
  EXPECT_TRUE(code_mappings().empty());
}

}  // namespace
}  // namespace bitnetc
