// Code that the driver has loaded.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/gpu/driver/gpu_context.h"
#include "runtime/gpu_device.h"

namespace bitnetc::driver {

// Names of kernels, for messages of what failed.
using KernelNames = std::shared_ptr<const std::vector<std::string>>;

class DriverFunction : public GpuFunction {
 public:
  // Error: kUnsupported in a sentence with what does not fit.
  static Result<std::shared_ptr<const GpuFunction>> load(std::shared_ptr<GpuContext> context,
                                                         const GpuCode& code,
                                                         const std::string& name);
  ~DriverFunction() override;

  int registers() const override { return registers_; }
  int local_bytes() const override { return local_bytes_; }

  const GpuContext& context() const { return *context_; }
  Function handle() const { return function_; }
  const std::string& name() const { return names_->front(); }
  const KernelNames& names() const { return names_; }

  // kInvalidArgument for a launch that cannot be, with the limit.
  Status check(const GpuLaunch& launch, size_t parameter_bytes) const;

 private:
  DriverFunction(std::shared_ptr<GpuContext> context, const std::string& name)
      : context_(std::move(context)),
        names_(std::make_shared<const std::vector<std::string>>(1, name)) {}

  Status load_module(const GpuCode& code);
  Status load_text(const std::string& image);
  Status look_up(const std::string& entry);
  Status check_residency(const GpuLaunch& launch) const;

  const std::shared_ptr<GpuContext> context_;
  const KernelNames names_;
  Module module_ = nullptr;
  Function function_ = nullptr;
  int registers_ = 0;
  int local_bytes_ = 0;
  int static_shared_bytes_ = 0;
  int max_threads_ = 0;
};

}  // namespace bitnetc::driver
