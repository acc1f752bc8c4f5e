// In-process cache of kernels by name: built once per name, outside the lock, with every concurrent
// asker waiting for the one build. A failed build (or an exception out of it) is reported to all
// waiters, then forgotten, so a later request tries again. Thread-safe; a build may ask for other
// names, not for its own.
#pragma once

#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <unordered_map>

#include "runtime/kernel.h"
#include "runtime/kernel_args.h"
#include "runtime/status.h"

namespace bitnetc {

class KernelCache {
 public:
  using Build = std::function<Result<Kernel>()>;

  Result<Kernel> get_or_build(const std::string& name, const Build& build);
  size_t size() const;  // kernels built or being built

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_future<Result<Kernel>>> entries_;
};

}  // namespace bitnetc
