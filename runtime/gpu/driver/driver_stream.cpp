#include "runtime/gpu/driver/driver_stream.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace bitnetc::driver {
namespace {

Address address_of(const std::byte* pointer) {
  return reinterpret_cast<Address>(pointer);
}

}  // namespace

DriverEvent::~DriverEvent() {
  context_->discard([&](const Api& api) { return api.destroy_event(event_); });
}

Result<double> DriverEvent::milliseconds_since(const GpuEvent& earlier) {
  const auto* const from = dynamic_cast<const DriverEvent*>(&earlier);
  if (from == nullptr || from->context_ != context_)
    return make_error(StatusCode::kInvalidArgument, "the two events are of different devices");
  float milliseconds = 0;
  BITNETC_RETURN_IF_ERROR(context_->call("waiting for an event", [&](const Api& api) {
    const Code code = api.wait_event(event_);
    return code == kSuccess ? api.elapsed(&milliseconds, from->event_, event_) : code;
  }));
  return static_cast<double>(milliseconds);
}

DriverGraph::~DriverGraph() {
  context_->discard([&](const Api& api) { return api.destroy_graph_exec(graph_); });
}

Result<std::unique_ptr<DriverStream>> DriverStream::create(std::shared_ptr<GpuContext> context) {
  Stream stream = nullptr;
  BITNETC_RETURN_IF_ERROR(context->call("making a stream", [&](const Api& api) {
    return api.create_stream(&stream, kStreamNonBlocking);
  }));
  return std::unique_ptr<DriverStream>(new DriverStream(std::move(context), stream));
}

DriverStream::~DriverStream() {
  if (capturing_) static_cast<void>(end_capture());
  static_cast<void>(wait());
  context_->discard([&](const Api& api) { return api.destroy_stream(stream_); });
}

Status DriverStream::upload(std::byte* to, const void* from, size_t bytes) {
  if (bytes == 0) return context_->loss();
  return context_->call(
      "upload", [&](const Api& api) { return api.upload(address_of(to), from, bytes, stream_); });
}

Status DriverStream::download(void* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return context_->loss();
  return context_->call("download", [&](const Api& api) {
    return api.download(to, address_of(from), bytes, stream_);
  });
}

Status DriverStream::copy(std::byte* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return context_->loss();
  return context_->call("copy", [&](const Api& api) {
    return api.copy(address_of(to), address_of(from), bytes, stream_);
  });
}

Status DriverStream::clear(std::byte* to, size_t bytes) {
  if (bytes == 0) return context_->loss();
  return context_->call(
      "clearing", [&](const Api& api) { return api.fill(address_of(to), 0, bytes, stream_); });
}

Status DriverStream::launch(const GpuFunction& function, const GpuLaunch& launch,
                            const void* parameter, size_t parameter_bytes) {
  const auto* const own = dynamic_cast<const DriverFunction*>(&function);
  if (own == nullptr || &own->context() != context_.get())
    return make_error(StatusCode::kInvalidArgument, "the function is of another device");
  if (context_->is_lost()) return context_->loss();
  BITNETC_RETURN_IF_ERROR(own->check(launch, parameter_bytes));
  BITNETC_RETURN_IF_ERROR(context_->call(
      "launching", [&] { return "kernel " + own->name(); },
      [&](const Api& api) { return start(api, *own, launch, parameter, parameter_bytes); }));
  remember(own->names());
  return {};
}

// A cooperative launch takes pointers to parameters, of which there is one; the other form takes
// their bytes, which the driver compares with what the kernel has.
Code DriverStream::start(const Api& api, const DriverFunction& function, const GpuLaunch& launch,
                         const void* parameter, size_t parameter_bytes) {
  void* const bytes = const_cast<void*>(parameter);
  if (launch.all_resident) {
    void* parameters[] = {bytes};
    return api.launch_cooperative(function.handle(), launch.blocks_x, launch.blocks_y, 1,
                                  launch.threads, 1, 1, launch.shared_bytes, stream_, parameters);
  }
  void* extra[] = {launch_marker(kLaunchBuffer), bytes, launch_marker(kLaunchBufferSize),
                   &parameter_bytes, launch_marker(kLaunchEnd)};
  return api.launch(function.handle(), launch.blocks_x, launch.blocks_y, 1, launch.threads, 1, 1,
                    launch.shared_bytes, stream_, nullptr, extra);
}

Result<std::unique_ptr<GpuEvent>> DriverStream::record() {
  if (capturing_)
    return make_error(StatusCode::kInvalidArgument, "no event is recorded inside a graph");
  Event event = nullptr;
  BITNETC_RETURN_IF_ERROR(context_->call(
      "making an event", [&](const Api& api) { return api.create_event(&event, 0); }));
  auto recorded = std::make_unique<DriverEvent>(context_, event);
  BITNETC_RETURN_IF_ERROR(context_->call(
      "recording an event", [&](const Api& api) { return api.record_event(event, stream_); }));
  return std::unique_ptr<GpuEvent>(std::move(recorded));
}

// What was asked for before is done first, so that what is pending belongs to the graph alone.
Status DriverStream::begin_capture() {
  if (capturing_)
    return make_error(StatusCode::kInvalidArgument, "the stream captures a graph already");
  BITNETC_RETURN_IF_ERROR(wait());
  BITNETC_RETURN_IF_ERROR(context_->call("beginning a graph", [&](const Api& api) {
    return api.begin_capture(stream_, kCaptureRelaxed);
  }));
  capturing_ = true;
  return {};
}

Result<std::unique_ptr<GpuGraph>> DriverStream::end_capture() {
  if (!capturing_)
    return make_error(StatusCode::kInvalidArgument, "the stream does not capture a graph");
  capturing_ = false;
  const auto names = std::make_shared<const std::vector<std::string>>(pending_names());
  pending_.clear();
  Graph graph = nullptr;
  BITNETC_RETURN_IF_ERROR(context_->call(
      "ending a graph", [&](const Api& api) { return api.end_capture(stream_, &graph); }));
  GraphExec exec = nullptr;
  BITNETC_RETURN_IF_ERROR(context_->call("making a graph", [&](const Api& api) {
    const Code code = api.instantiate_graph(&exec, graph, 0);
    api.destroy_graph(graph);
    return code;
  }));
  return std::unique_ptr<GpuGraph>(std::make_unique<DriverGraph>(context_, exec, names));
}

Status DriverStream::launch(const GpuGraph& graph) {
  const auto* const own = dynamic_cast<const DriverGraph*>(&graph);
  if (own == nullptr || &own->context() != context_.get())
    return make_error(StatusCode::kInvalidArgument, "the graph is of another device");
  if (capturing_)
    return make_error(StatusCode::kInvalidArgument, "no graph is launched inside a graph");
  BITNETC_RETURN_IF_ERROR(context_->call("launching a graph", [&](const Api& api) {
    return api.launch_graph(own->handle(), stream_);
  }));
  remember(own->names());
  return {};
}

Status DriverStream::wait() {
  if (capturing_)
    return make_error(StatusCode::kInvalidArgument, "a stream that captures cannot be waited for");
  const Status status = context_->call(
      "work", [&] { return pending_text(); },
      [&](const Api& api) { return api.wait_stream(stream_); });
  pending_.clear();
  return status;
}

void DriverStream::remember(const KernelNames& names) {
  if (!names->empty() && std::find(pending_.begin(), pending_.end(), names) == pending_.end())
    pending_.push_back(names);
}

std::vector<std::string> DriverStream::pending_names() const {
  std::vector<std::string> all;
  for (const KernelNames& names : pending_)
    for (const std::string& name : *names)
      if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
  return all;
}

std::string DriverStream::pending_text() const {
  constexpr size_t kMost = 8;
  std::vector<std::string> names = pending_names();
  if (names.empty()) return "";
  if (names.size() == 1) return "in kernel " + names.front();
  const size_t more = names.size() - std::min(names.size(), kMost);
  names.resize(names.size() - more);
  return fmt::format("in one of the kernels {}{}", fmt::join(names, ", "),
                     more ? fmt::format(" and {} more", more) : "");
}

}  // namespace bitnetc::driver
