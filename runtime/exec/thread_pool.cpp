#include "runtime/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/status.h"

namespace bitnetc {
namespace {

void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Binds a thread of this process to one CPU. A refusal (a container that filters the call) costs
// speed, never correctness, and is left at that.
void bind_thread(pid_t thread, int cpu) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(cpu, &mask);
  sched_setaffinity(thread, sizeof(mask), &mask);
}

// A counter that threads wait on: spinning first, then asleep in the kernel. On a cache line of its
// own.
class alignas(kCacheLineBytes) Turnstile {
 public:
  uint32_t now() const { return count_.load(std::memory_order_acquire); }

  // Sequentially consistent: it must not pass the look for sleepers inside notify_all().
  void advance() {
    count_.fetch_add(1, std::memory_order_seq_cst);
    count_.notify_all();
  }

  // Returns once the counter has left `seen`.
  void await_change(uint32_t seen, std::chrono::nanoseconds spin) const {
    if (spin_until_change(seen, spin)) return;
    while (now() == seen) count_.wait(seen, std::memory_order_acquire);
  }

 private:
  bool spin_until_change(uint32_t seen, std::chrono::nanoseconds spin) const {
    constexpr int kRelaxPerClock = 64;  // reading the clock costs as much as a few pauses
    if (spin.count() == 0) return now() != seen;
    const auto deadline = std::chrono::steady_clock::now() + spin;
    do {
      for (int i = 0; i < kRelaxPerClock; ++i) {
        if (now() != seen) return true;
        cpu_relax();
      }
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
  }

  std::atomic<uint32_t> count_{0};
};

// How long a member spins before it sleeps; docs/decisions/0003-thread-pool.md has the
// measurements.
constexpr std::chrono::microseconds kSpin{50};

}  // namespace

struct ThreadPool::Impl {
  const int size;
  const std::chrono::nanoseconds
      spin;  // zero when members outnumber CPUs: spinning would keep one out

  Turnstile runs;                                  // advances when a run begins (or the pool ends)
  const std::function<void(int)>* work = nullptr;  // of the current run; null tells workers to end
  Turnstile meetings;                              // advances when a barrier opens
  alignas(kCacheLineBytes) std::atomic<int> arrived{0};  // members inside the current barrier

  std::vector<std::thread> workers;
  pid_t bound_caller = 0;  // the thread whose mask is to be restored, 0: none
  cpu_set_t caller_mask{};

  explicit Impl(int thread_count)
      : size(thread_count), spin(thread_count > usable_cpu_count() ? kSpin * 0 : kSpin) {}

  void serve(int member) noexcept {
    uint32_t seen = 0;
    while (true) {
      runs.await_change(seen, spin);
      ++seen;
      if (!work) return;
      (*work)(member);
      meet();
    }
  }

  // The last to arrive opens the barrier. Nobody can arrive at the next one before that, so
  // `arrived` is reset without a race; the turnstile's release and acquire order everything written
  // before it.
  void meet() {
    if (size == 1) return;
    const uint32_t seen = meetings.now();
    if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived.store(0, std::memory_order_relaxed);
      meetings.advance();
    } else {
      meetings.await_change(seen, spin);
    }
  }

  // Ends the workers. `work` is null, and nobody is inside a run.
  void join_workers() {
    runs.advance();
    for (std::thread& worker : workers) worker.join();
  }

  void bind_caller(int cpu) {
    if (sched_getaffinity(0, sizeof(caller_mask), &caller_mask) != 0) return;
    bound_caller = gettid();
    bind_thread(bound_caller, cpu);
  }
};

ThreadPool::ThreadPool(int thread_count, bool pin) {
  BITNETC_CHECK(thread_count >= 1, "thread_count={}", thread_count);
  const std::vector<int>& cpus = cpu_allowance().allowed;
  const bool bind = pin && static_cast<size_t>(thread_count) <= cpus.size();
  impl_ = std::make_unique<Impl>(thread_count);
  impl_->workers.reserve(static_cast<size_t>(thread_count) - 1);
  try {
    for (int member = 1; member < thread_count; ++member) {
      impl_->workers.emplace_back([impl = impl_.get(), member, bind, &cpus] {
        if (bind) bind_thread(0, cpus[static_cast<size_t>(member)]);
        impl->serve(member);
      });
    }
  } catch (const std::system_error&) {
    impl_->join_workers();
    throw;
  }
  if (bind) impl_->bind_caller(cpus[0]);
}

std::unique_ptr<ThreadPool> ThreadPool::at_most(int thread_count, bool pin) {
  for (; thread_count > 1; thread_count /= 2) {
    try {
      return std::make_unique<ThreadPool>(thread_count, pin);
    } catch (const std::system_error&) {
      continue;  // fewer may do
    }
  }
  return std::make_unique<ThreadPool>(thread_count, pin);  // of one member: starts no thread
}

ThreadPool::~ThreadPool() {
  impl_->work = nullptr;
  impl_->join_workers();
  if (impl_->bound_caller != 0)
    sched_setaffinity(impl_->bound_caller, sizeof(impl_->caller_mask), &impl_->caller_mask);
}

int ThreadPool::size() const {
  return impl_->size;
}

void ThreadPool::run(const std::function<void(int)>& work) {
  impl_->work = &work;
  if (impl_->size > 1) impl_->runs.advance();
  [&]() noexcept { work(0); }();
  impl_->meet();
}

void ThreadPool::barrier() {
  impl_->meet();
}

}  // namespace bitnetc
