#include "tests/scale/usage.h"

#include <dirent.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>

namespace {

std::atomic<int64_t> live_blocks = 0;

void* counted(void* memory) {
  if (memory != nullptr) live_blocks.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void* allocate(std::size_t size) {
  void* memory = counted(std::malloc(size == 0 ? 1 : size));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* allocate(std::size_t size, std::align_val_t alignment) {
  const auto align = static_cast<std::size_t>(alignment);
  void* memory = counted(std::aligned_alloc(align, (size + align - 1) / align * align));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) {
  if (memory != nullptr) live_blocks.fetch_sub(1, std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

// Not inlined: g++ would see malloc and free of what was not its own.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return allocate(size);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, alignment);
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return counted(std::malloc(size == 0 ? 1 : size));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  release(memory);
}

namespace bitnetc::test {
namespace {

// Without the folder's own.
int64_t count_entries(const char* folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder), ::closedir);
  if (!entries) throw std::runtime_error(fmt::format("cannot list {}", folder));
  int64_t count = 0;
  while (const dirent* entry = ::readdir(entries.get())) count += entry->d_name[0] != '.';
  return count;
}

int64_t resident_bytes() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/self/statm", "r"),
                                                   std::fclose);
  long total = 0, resident = 0;
  if (!file || std::fscanf(file.get(), "%ld %ld", &total, &resident) != 2)
    throw std::runtime_error("cannot read /proc/self/statm");
  return int64_t{resident} * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

std::string ProcessUsage::describe() const {
  return fmt::format("{} blocks, {:.1f} MB of heap, {:.1f} MB resident, {} files, {} threads",
                     blocks, static_cast<double>(heap_bytes) / 1e6,
                     static_cast<double>(resident_bytes) / 1e6, descriptors, threads);
}

ProcessUsage process_usage() {
  ProcessUsage usage{.blocks = live_blocks.load(),
                     .descriptors = count_entries("/proc/self/fd") - 1};
  const struct mallinfo2 heap = ::mallinfo2();
  usage.heap_bytes = static_cast<int64_t>(heap.uordblks + heap.hblkhd);
  usage.resident_bytes = resident_bytes();
  usage.threads = count_entries("/proc/self/task");
  return usage;
}

}  // namespace bitnetc::test
