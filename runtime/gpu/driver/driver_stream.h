// Streams, graphs and events of the driver.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/gpu/driver/driver_function.h"
#include "runtime/gpu/driver/gpu_context.h"
#include "runtime/gpu_device.h"

namespace bitnetc::driver {

class DriverEvent : public GpuEvent {
 public:
  DriverEvent(std::shared_ptr<GpuContext> context, Event event)
      : context_(std::move(context)), event_(event) {}
  ~DriverEvent() override;

  Result<double> milliseconds_since(const GpuEvent& earlier) override;

 private:
  const std::shared_ptr<GpuContext> context_;
  const Event event_;
};

class DriverGraph : public GpuGraph {
 public:
  DriverGraph(std::shared_ptr<GpuContext> context, GraphExec graph, KernelNames names)
      : context_(std::move(context)), graph_(graph), names_(std::move(names)) {}
  ~DriverGraph() override;

  const GpuContext& context() const { return *context_; }
  GraphExec handle() const { return graph_; }
  const KernelNames& names() const { return names_; }

 private:
  const std::shared_ptr<GpuContext> context_;
  const GraphExec graph_;
  const KernelNames names_;
};

class DriverStream : public GpuStream {
 public:
  static Result<std::unique_ptr<DriverStream>> create(std::shared_ptr<GpuContext> context);
  ~DriverStream() override;

  Status upload(std::byte* to, const void* from, size_t bytes) override;
  Status download(void* to, const std::byte* from, size_t bytes) override;
  Status copy(std::byte* to, const std::byte* from, size_t bytes) override;
  Status clear(std::byte* to, size_t bytes) override;
  Status launch(const GpuFunction& function, const GpuLaunch& launch, const void* parameter,
                size_t parameter_bytes) override;
  Result<std::unique_ptr<GpuEvent>> record() override;
  Status begin_capture() override;
  Result<std::unique_ptr<GpuGraph>> end_capture() override;
  Status launch(const GpuGraph& graph) override;
  Status wait() override;

 private:
  DriverStream(std::shared_ptr<GpuContext> context, Stream stream)
      : context_(std::move(context)), stream_(stream) {}

  Code start(const Api& api, const DriverFunction& function, const GpuLaunch& launch,
             const void* parameter, size_t parameter_bytes);
  void remember(const KernelNames& names);
  std::string pending_text() const;  // "in kernel k"
  std::vector<std::string> pending_names() const;

  const std::shared_ptr<GpuContext> context_;
  const Stream stream_;
  bool capturing_ = false;
  std::vector<KernelNames> pending_;  // what was launched, or is captured, since the last wait
};

}  // namespace bitnetc::driver
