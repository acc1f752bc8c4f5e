// measure_read_bandwidth of autotune/limits.h: several streams a thread through memory of which little stays in any
// cache, in passes that are short beside a time slice of the system.

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "autotune/limits.h"
#include "autotune/machine.h"
#include "runtime/buffer.h"
#include "runtime/cpu_features.h"
#include "runtime/status.h"
#include "runtime/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bitnetc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kHugePageBytes = 2 * kMiB;
constexpr size_t kLineBytes = kCacheLineBytes;

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
  if (cpu_features().avx2) return {read_avx2<4>, read_avx2<8>};
#endif
  return {read_plain<4>, read_plain<8>};
}

// Four times the last-level cache, so that little of a pass survives to the next.
size_t working_set_bytes() {
  const CacheSizes caches = cache_sizes();
  const int64_t known = std::max({caches.l3_bytes, caches.l2_bytes, int64_t{0}});
  const size_t last_level = known > 0 ? static_cast<size_t>(known) : 32 * kMiB;
  return std::clamp(4 * last_level, 64 * kMiB, 512 * kMiB);
}

// A buffer cut into one slice a thread, every slice first touched by its own thread.
class WorkingSet {
 public:
  WorkingSet(size_t bytes, ThreadPool& pool)
      : slice_bytes_(
            round_up(bytes / static_cast<size_t>(pool.size()), kMaxStreams * kHugePageBytes)),
        members_(pool.size()) {
    const size_t total_bytes = slice_bytes_ * static_cast<size_t>(members_);
    data_.reset(static_cast<uint8_t*>(std::aligned_alloc(kHugePageBytes, total_bytes)));
    if (!data_) throw std::bad_alloc();
    madvise(data_.get(), total_bytes,
            MADV_HUGEPAGE);  // a wish; small pages measure a little less
    pool.run([&](int member) { std::memset(slice(member), kFill, slice_bytes_); });
  }

  size_t pass_bytes() const { return kPassBytes * static_cast<size_t>(members_); }

  // Seconds of one pass over the next part of every slice: short beside a time slice of the system, so that
  // passes go undisturbed on a machine that is not quiet. The sums prove that every byte was read.
  double timed_pass(Reader reader, ThreadPool& pool) {
    std::atomic<uint64_t> total{0};
    const size_t offset = next_;
    next_ = (next_ + kPassBytes) % slice_bytes_;
    std::vector<Clock::time_point> starts(static_cast<size_t>(members_)), ends(starts.size());
    pool.run([&](int member) {
      pool.barrier();  // waking up is no part of reading
      starts[static_cast<size_t>(member)] = Clock::now();
      total += reader(slice(member) + offset, kPassBytes);
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
  static constexpr size_t kPassBytes = 4 * kMiB;  // of each slice

  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  uint8_t* slice(int member) { return data_.get() + static_cast<size_t>(member) * slice_bytes_; }

  const size_t slice_bytes_;
  const int members_;
  size_t next_ = 0;  // offset of the next pass in every slice
  std::unique_ptr<uint8_t[], Free> data_;
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
  ThreadPool pool(threads, true);
  WorkingSet set(working_set_bytes(), pool);
  const std::array<Reader, 2> candidates = readers();
  std::array<std::vector<double>, 2> seconds;
  const Clock::time_point deadline = Clock::now() + std::chrono::milliseconds(budget_ms);
  do {
    for (size_t i = 0; i < candidates.size(); ++i)
      seconds[i].push_back(set.timed_pass(candidates[i], pool));
  } while (seconds[0].size() < kMinPasses || Clock::now() < deadline);
  const double best =
      std::min(median_of_better_half(seconds[0]), median_of_better_half(seconds[1]));
  return static_cast<double>(set.pass_bytes()) / best;
}

}  // namespace bitnetc
