#include "runtime/kernel_cache.h"

namespace bitnetc {

Result<Kernel> KernelCache::get_or_build(const std::string& name, const Build& build) {
  std::promise<Result<Kernel>> promise;
  {
    std::unique_lock lock(mutex_);
    if (const auto found = entries_.find(name); found != entries_.end()) {
      const std::shared_future<Result<Kernel>> outcome = found->second;
      lock.unlock();
      return outcome.get();
    }
    entries_.emplace(name, promise.get_future().share());
  }

  // A failure leaves the map before it reaches the waiters: whoever hears of it may try again at
  // once.
  const auto forget = [&] {
    const std::lock_guard lock(mutex_);
    entries_.erase(name);
  };
  try {
    Result<Kernel> outcome = build();
    if (!outcome.ok()) forget();
    promise.set_value(outcome);
    return outcome;
  } catch (...) {
    forget();
    promise.set_exception(std::current_exception());
    throw;
  }
}

size_t KernelCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace bitnetc
