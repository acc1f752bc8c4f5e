// A kernel as the runtime sees it: a name, its code and a shared owner of what is behind it. How
// the code was made is not its business. Its argument is the Args struct of its operation
// (runtime/kernel_args.h). The code is either the host's, with an entry to call, or a device's,
// which only that device can run (Device::run, runtime/device.h).
//
// Kernels keep no state: any thread may call any kernel.
#pragma once

#include <memory>
#include <string>
#include <utility>

namespace bitnetc {

class Kernel {
 public:
  // `args` is the operation's struct. `context` is what the kernel was made with: kernels compiled
  // ahead of time find their shapes there; generated code ignores it.
  using Entry = void (*)(const void* args, const void* context);

  Kernel() = default;
  // `owner` keeps the code and the context alive. No function: code of a device, which knows it by
  // the context.
  Kernel(std::string name, Entry function, const void* context, std::shared_ptr<const void> owner)
      : name_(std::move(name)), entry_(function), context_(context), owner_(std::move(owner)) {}

  const std::string& name() const { return name_; }
  explicit operator bool() const { return entry_ != nullptr || context_ != nullptr; }
  bool is_host() const { return entry_ != nullptr; }
  Entry entry() const { return entry_; }
  const void* context() const { return context_; }

  // Host code only.
  template <typename Args>
  void operator()(const Args& args) const {
    entry_(&args, context_);
  }

 private:
  std::string name_;
  Entry entry_ = nullptr;
  const void* context_ = nullptr;
  std::shared_ptr<const void> owner_;
};

}  // namespace bitnetc
