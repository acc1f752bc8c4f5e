// The read bandwidths of autotune/limits.h: several streams per thread. That of the machine is of
// memory that was just evicted from every cache, in passes that are short beside a time slice of
// the system.

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "autotune/limits.h"
#include "runtime/buffer.h"
#include "runtime/cpu_features.h"
#include "runtime/status.h"
#include "runtime/thread_pool.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace bitnetc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kHugePageBytes = 2 * kMiB;
constexpr size_t kLineBytes = kCacheLineBytes;
constexpr size_t kWorkingSetBytes = 48 * kMiB;
constexpr int kMaxThreads = 1024;  // a slice stays longer than the start of a pass is uneven

// A reader walks `bytes` (a multiple of kMaxStreams lines) as several equal streams side by side:
// the hardware prefetches each of them, and one stream alone does not fill a core's share of the
// memory bus. 4 and 8 streams read 25 to 35 % faster than 1, and 16 slower, on Zen 3 (one thread,
// 128 MiB, 2026-11).
using Reader = uint64_t (*)(const uint8_t* data, size_t bytes);
constexpr size_t kMaxStreams = 8;
constexpr int kAccumulators = 8;

// One line of each stream in turn; accumulators rotate so that no addition waits for the one
// before. Unrolled, because they stay in registers only where their indices are constants.
template <int kStreams>
uint64_t read_plain(const uint8_t* data, size_t bytes) {
  constexpr size_t kWords = kLineBytes / sizeof(uint64_t);
  static_assert(kWords == kAccumulators);
  std::array<uint64_t, kAccumulators> sums{};
  const size_t stream_bytes = bytes / kStreams;
  for (size_t offset = 0; offset < stream_bytes; offset += kLineBytes) {
#pragma GCC unroll 8
    for (size_t stream = 0; stream < kStreams; ++stream) {
      std::array<uint64_t, kWords> words;
      std::memcpy(words.data(), data + stream * stream_bytes + offset, sizeof(words));
      for (size_t i = 0; i < kWords; ++i) sums[i] += words[i];
    }
  }
  uint64_t total = 0;
  for (uint64_t sum : sums) total += sum;
  return total;
}

#if defined(__x86_64__)
template <int kStreams>
__attribute__((target("avx2"))) uint64_t read_avx2(const uint8_t* data, size_t bytes) {
  __m256i sums[kAccumulators];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  const size_t stream_bytes = bytes / kStreams;
  for (size_t offset = 0; offset < stream_bytes; offset += kLineBytes) {
#pragma GCC unroll 8
    for (size_t stream = 0; stream < kStreams; ++stream) {
      const uint8_t* line = data + stream * stream_bytes + offset;
      __m256i& even = sums[2 * stream % kAccumulators];
      __m256i& odd = sums[(2 * stream + 1) % kAccumulators];
      even = _mm256_add_epi64(even, _mm256_load_si256(reinterpret_cast<const __m256i*>(line)));
      odd = _mm256_add_epi64(odd, _mm256_load_si256(reinterpret_cast<const __m256i*>(line + 32)));
    }
  }
  uint64_t total = 0;
  for (const __m256i& sum : sums) {
    alignas(32) uint64_t words[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(words), sum);
    total += words[0] + words[1] + words[2] + words[3];
  }
  return total;
}
#endif

std::array<Reader, 2> readers() {
#if defined(__x86_64__)
  if (cpu_features().has(Feature::kAvx2)) return {read_avx2<4>, read_avx2<8>};
#endif
  return {read_plain<4>, read_plain<8>};
}

// Evicts the lines of `data` from every level of cache, whatever its size, so that the next read of
// them comes from memory. On architectures other than these nothing is evicted.
#if defined(__x86_64__)
__attribute__((target("clflushopt"))) void evict_unordered(const uint8_t* data, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += kLineBytes)
    _mm_clflushopt(const_cast<uint8_t*>(data + offset));
}

bool has_clflushopt() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & bit_CLFLUSHOPT) != 0;
}

void evict(const uint8_t* data, size_t bytes) {
  static const bool is_unordered = has_clflushopt();  // several times faster
  if (is_unordered) {
    evict_unordered(data, bytes);
  } else {
    for (size_t offset = 0; offset < bytes; offset += kLineBytes) _mm_clflush(data + offset);
  }
  _mm_mfence();
}
#elif defined(__aarch64__)
void evict(const uint8_t* data, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += kLineBytes)
    __asm__ volatile("dc civac, %0" : : "r"(data + offset) : "memory");
  __asm__ volatile("dsb ish" : : : "memory");
}
#else
void evict(const uint8_t*, size_t) {}
#endif

// What a working set of `threads` slices takes: the same memory whatever their number. Slices of
// less than a huge page are whole lines of every stream.
size_t slice_bytes_of(int threads) {
  const size_t share = kWorkingSetBytes / static_cast<size_t>(threads);
  const size_t grain = share < kHugePageBytes ? kMaxStreams * kLineBytes : kHugePageBytes;
  return share / grain * grain;
}

struct Free {
  void operator()(uint8_t* p) const { std::free(p); }
};
using Memory = std::unique_ptr<uint8_t[], Free>;

Memory allocate_working_set() {
  Memory memory(static_cast<uint8_t*>(std::aligned_alloc(kHugePageBytes, kWorkingSetBytes)));
  if (!memory) throw std::bad_alloc();
  return memory;
}

// The memory cut into one slice per thread, every slice first touched by its own thread.
class WorkingSet {
 public:
  WorkingSet(Memory memory, ThreadPool& pool)
      : slice_bytes_(slice_bytes_of(pool.size())),
        part_bytes_(std::min(kPartBytes, slice_bytes_)),
        members_(pool.size()),
        data_(std::move(memory)) {
    // A wish; small pages measure a little less. A huge page that several slices share would lie in
    // the memory of one thread's node.
    if (slice_bytes_ % kHugePageBytes == 0) madvise(data_.get(), kWorkingSetBytes, MADV_HUGEPAGE);
    pool.run([&](int member) { std::memset(slice(member), kFill, slice_bytes_); });
  }

  size_t pass_bytes() const { return part_bytes_ * static_cast<size_t>(members_); }

  // Seconds of one pass over the next part of every slice: short beside a time slice of the system,
  // so that passes go undisturbed on a machine that is not quiet. The sums prove that every byte
  // was read.
  double timed_pass(Reader reader, ThreadPool& pool) {
    std::atomic<uint64_t> total{0};
    const size_t offset = next_;
    next_ = next_ + 2 * part_bytes_ > slice_bytes_ ? 0 : next_ + part_bytes_;
    std::vector<Clock::time_point> starts(static_cast<size_t>(members_)), ends(starts.size());
    pool.run([&](int member) {
      const uint8_t* part = slice(member) + offset;
      evict(part, part_bytes_);
      // Neither evicting nor waking up is part of reading: who evicts faster falls asleep at the
      // first barrier, and is awake at the second.
      pool.barrier();
      pool.barrier();
      starts[static_cast<size_t>(member)] = Clock::now();
      total += reader(part, part_bytes_);
      ends[static_cast<size_t>(member)] = Clock::now();
    });
    const Clock::duration lasted = *std::max_element(ends.begin(), ends.end()) -
                                   *std::min_element(starts.begin(), starts.end());
    const double seconds = std::chrono::duration<double>(lasted).count();
    const uint64_t expected = kFillWord * (pass_bytes() / sizeof(uint64_t));
    BITNETC_CHECK(total == expected, "read {:x}, expected {:x}", total.load(), expected);
    return seconds;
  }

 private:
  static constexpr int kFill = 1;
  static constexpr uint64_t kFillWord = 0x0101010101010101;
  static constexpr size_t kPartBytes = 4 * kMiB;

  uint8_t* slice(int member) { return data_.get() + static_cast<size_t>(member) * slice_bytes_; }

  const size_t slice_bytes_;
  const size_t part_bytes_;  // of a slice that one pass reads
  const int members_;
  size_t next_ = 0;  // offset of the next pass in every slice
  const Memory data_;
};

// Interruptions only ever make a pass slower, and a single best pass is luck: the middle of the
// better half.
double median_of_better_half(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 4];
}

}  // namespace

double measure_read_bandwidth(int threads, int budget_ms) {
  constexpr size_t kMinPasses = 16;
  BITNETC_CHECK(threads >= 1, "threads={}", threads);
  // The memory first: the stacks of many threads may leave none where address space is limited.
  Memory memory = allocate_working_set();
  const auto pool = ThreadPool::at_most(std::min(threads, kMaxThreads), true);
  WorkingSet set(std::move(memory), *pool);
  const std::array<Reader, 2> candidates = readers();
  std::array<std::vector<double>, 2> seconds;
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(budget_ms);
  do {
    for (size_t i = 0; i < candidates.size(); ++i)
      seconds[i].push_back(set.timed_pass(candidates[i], *pool));
  } while (seconds[0].size() < kMinPasses || Clock::now() < deadline);
  const double best =
      std::min(median_of_better_half(seconds[0]), median_of_better_half(seconds[1]));
  return static_cast<double>(set.pass_bytes()) / best;
}

double measure_read_bandwidth_of(std::span<const uint8_t> bytes, int threads, int budget_ms) {
  constexpr size_t kGrain = kMaxStreams * kLineBytes;
  const auto pool = ThreadPool::at_most(std::min(threads, kMaxThreads), true);
  BITNETC_CHECK(bytes.size() >= kGrain, "{} bytes, expected at least {}", bytes.size(), kGrain);
  // Where there is less than a slice for everybody, some read nothing.
  const size_t members = std::min(static_cast<size_t>(pool->size()), bytes.size() / kGrain);
  const size_t slice_bytes = bytes.size() / members / kGrain * kGrain;
  double best = std::numeric_limits<double>::infinity();
  std::atomic<uint64_t> total{0};  // nobody may leave the reading out
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(budget_ms);
  do {
    for (const Reader reader : readers()) {
      const Clock::time_point start = Clock::now();
      pool->run([&](int member) {
        const auto slice = static_cast<size_t>(member);
        if (slice < members) total += reader(bytes.data() + slice * slice_bytes, slice_bytes);
      });
      best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    }
  } while (Clock::now() < deadline);
  return static_cast<double>(slice_bytes * members) / best;
}

}  // namespace bitnetc
