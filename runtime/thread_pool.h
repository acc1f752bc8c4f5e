// A fixed set of threads that run one function together ("SPMD") and meet at barriers inside it.
// The calling thread is member 0. Between runs the others spin for a short while, then park. A pool
// belongs to one Session; run() must not be called from two threads at once nor from inside a run.
// An exception that leaves the work ends the program: the other members would wait at their barrier
// for ever.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "runtime/cpu_allowance.h"

namespace bitnetc {

class ThreadPool {
 public:
  // `thread_count` >= 1. With `pin`, member i is bound to the i-th CPU this process may use
  // (skipped when there are fewer CPUs than members). The constructing thread counts as member 0;
  // it gets its own affinity back when the pool ends, and threads it starts in between inherit the
  // binding. Where the system refuses a thread, those that were started end again and
  // std::system_error is thrown.
  ThreadPool(int thread_count, bool pin);
  // A pool of `thread_count` members or, where the system refuses so many threads (a limit on
  // processes or on address space), of half as many, and so on: size() says how many.
  static std::unique_ptr<ThreadPool> at_most(int thread_count, bool pin);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;
  // Runs `work(member)` on every member and returns when all are done.
  void run(const std::function<void(int member)>& work);
  // Called by every member from inside run(): returns when all have arrived. What was written
  // before it is visible after it.
  void barrier();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The share of `count` units that falls to `member` of `members`: contiguous, sizes differ by one
// at most.
struct Range {
  int64_t begin, end;
};
constexpr Range share(int64_t count, int member, int members) {
  return {count * member / members, count * (member + 1) / members};
}

}  // namespace bitnetc
