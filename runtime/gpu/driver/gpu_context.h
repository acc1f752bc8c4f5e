// A GPU's primary context, with what all objects of a device share: the driver's functions, the
// properties, and whether the GPU is lost. Its owners are the device and everything made of it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/gpu/driver/driver_api.h"
#include "runtime/gpu_device.h"
#include "runtime/status.h"

namespace bitnetc::driver {

// "illegal address (CUDA_ERROR_ILLEGAL_ADDRESS, 700)"
std::string error_text(const Api& api, Code code);

// Whether the context is of no use after an error of this code.
bool is_sticky(Code code);

class GpuContext {
 public:
  // Error: kOutOfMemory or kUnsupported.
  static Result<std::shared_ptr<GpuContext>> open(std::shared_ptr<const Api> api, DeviceId device,
                                                  GpuProperties properties);
  ~GpuContext();
  GpuContext(const GpuContext&) = delete;
  GpuContext& operator=(const GpuContext&) = delete;

  const Api& api() const { return *api_; }
  const GpuProperties& properties() const { return properties_; }
  bool is_lost() const { return lost_.load(std::memory_order_acquire); }
  // The error that the GPU was lost with; ok: it is not lost.
  Status loss() const;

  // Calls a function of the driver with this context current on this thread, which has its own
  // again afterwards. `what` and what `where` returns make the message: "launching", "kernel k". A
  // sticky error loses the GPU; on a lost GPU nothing is called.
  template <typename Where, typename Call>
  Status call(std::string_view what, Where&& where, Call&& call) {
    if (is_lost()) return loss();
    if (const Code code = api_->push_context(context_); code != kSuccess)
      return failure(code, "making the context current", "");
    const Code code = call(*api_);
    Context top = nullptr;
    api_->pop_context(&top);
    return code == kSuccess ? Status() : failure(code, what, where());
  }
  template <typename Call>
  Status call(std::string_view what, Call&& call) {
    return this->call(what, [] { return std::string(); }, std::forward<Call>(call));
  }
  // For what is given back, where an error has nobody to hear it: of a lost GPU it goes with the
  // context.
  template <typename Call>
  void discard(Call&& call) {
    static_cast<void>(this->call("giving back", std::forward<Call>(call)));
  }

  // kOutOfMemory with what was asked for and what is free, for a call that failed with that.
  Status out_of_memory(size_t bytes);

 private:
  GpuContext(std::shared_ptr<const Api> api, DeviceId device, Context context,
             GpuProperties properties)
      : api_(std::move(api)),
        device_(device),
        context_(context),
        properties_(std::move(properties)) {}

  Status failure(Code code, std::string_view what, const std::string& where);

  const std::shared_ptr<const Api> api_;
  const DeviceId device_;
  const Context context_;
  const GpuProperties properties_;
  std::atomic<bool> lost_ = false;
  mutable std::mutex mutex_;  // guards loss_
  Status loss_;
};

}  // namespace bitnetc::driver
