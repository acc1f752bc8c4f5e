// The emulated GPU as a device: its streams do their work when somebody waits for it, and not
// before, so that whoever reads too early sees it.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/gpu/emulator/machine.h"
#include "runtime/gpu/emulator/ptx_parser.h"
#include "runtime/gpu_emulator.h"

namespace bitnetc {
namespace {

using emulator::LaunchRequest;
using emulator::MemoryMap;
using emulator::PtxFunction;

constexpr int kLeastEmulatedSm = 75, kMostEmulatedSm = 129;
constexpr size_t kMostParameterBytes = 4096;
constexpr uint32_t kMostThreads = 1024, kMostBlocksY = 65535;

// What GPUs of a compute capability have.
int shared_bytes_per_block(int sm) {
  constexpr int kKiB = 1024;
  switch (sm) {
    case 75: return 64 * kKiB;
    case 80:
    case 87: return 163 * kKiB;
    case 86:
    case 89:
    case 120:
    case 121: return 99 * kKiB;
    default: return 227 * kKiB;
  }
}

// Memory, and whether it can still be used: shared by the device, its streams and its blocks.
struct EmulatorCore {
  explicit EmulatorCore(const EmulatorSettings& given)
      : settings(given), memory(given.memory_bytes) {}

  Status copy_in(uint64_t to, const void* from, size_t bytes) {
    std::byte* const at = memory.find(to, bytes);
    if (at == nullptr && bytes > 0) return not_there("an upload to", to, bytes);
    if (bytes > 0) std::memcpy(at, from, bytes);
    return {};
  }
  Status copy_out(void* to, uint64_t from, size_t bytes) {
    const std::byte* const at = memory.find(from, bytes);
    if (at == nullptr && bytes > 0) return not_there("a download from", from, bytes);
    if (bytes > 0) std::memcpy(to, at, bytes);
    return {};
  }
  Status copy_inside(uint64_t to, uint64_t from, size_t bytes) {
    if (memory.find(from, bytes) == nullptr && bytes > 0)
      return not_there("a copy from", from, bytes);
    return copy_in(to, memory.find(from, bytes), bytes);
  }
  Status clear(uint64_t to, size_t bytes) {
    std::byte* const at = memory.find(to, bytes);
    if (at == nullptr && bytes > 0) return not_there("a clearing of", to, bytes);
    if (bytes > 0) std::memset(at, 0, bytes);
    return {};
  }
  Status lose(Status why) {
    if (lost.ok()) lost = why;
    return why;
  }

  const EmulatorSettings settings;
  GpuProperties properties;
  std::mutex mutex;  // guards what follows, while a kernel runs, too
  MemoryMap memory;
  Status lost;  // not ok: why
  LaunchMetrics metrics;

 private:
  Status not_there(const char* what, uint64_t address, size_t bytes) {
    return lose(make_error(StatusCode::kUnsupported, "{} {} bytes at {:#x}, {}", what, bytes,
                           address, memory.describe(address)));
  }
};

uint64_t address_of(const std::byte* at) {
  return reinterpret_cast<uint64_t>(at);
}

class EmulatedFunction final : public GpuFunction {
 public:
  EmulatedFunction(PtxFunction function, std::string name)
      : function_(std::move(function)), name_(std::move(name)) {}

  int registers() const override { return 0; }
  int local_bytes() const override { return static_cast<int>(function_.local_bytes); }
  const PtxFunction& code() const { return function_; }
  const std::string& name() const { return name_; }

 private:
  const PtxFunction function_;
  const std::string name_;
};

using Work = std::function<Status(EmulatorCore&)>;

class EmulatedGraph final : public GpuGraph {
 public:
  explicit EmulatedGraph(std::vector<Work> captured) : work(std::move(captured)) {}
  const std::vector<Work> work;
};

class EmulatedStream;

// When a point of a stream was reached; both the event and the stream's work have it.
using Reached = std::optional<std::chrono::steady_clock::time_point>;

class EmulatedEvent final : public GpuEvent {
 public:
  EmulatedEvent(EmulatedStream& stream, std::shared_ptr<Reached> reached)
      : stream_(stream), reached_(std::move(reached)) {}
  // By the clock of the host: what the emulator took.
  Result<double> milliseconds_since(const GpuEvent& earlier) override;

 private:
  EmulatedStream& stream_;  // asked only where the point is not reached
  const std::shared_ptr<Reached> reached_;
};

class EmulatedStream final : public GpuStream {
 public:
  explicit EmulatedStream(std::shared_ptr<EmulatorCore> core) : core_(std::move(core)) {}
  ~EmulatedStream() override { static_cast<void>(wait()); }  // nobody is left to tell

  Status upload(std::byte* to, const void* from, size_t bytes) override {
    return add([=](EmulatorCore& core) { return core.copy_in(address_of(to), from, bytes); });
  }
  Status download(void* to, const std::byte* from, size_t bytes) override {
    return add([=](EmulatorCore& core) { return core.copy_out(to, address_of(from), bytes); });
  }
  Status copy(std::byte* to, const std::byte* from, size_t bytes) override {
    return add([=](EmulatorCore& core) {
      return core.copy_inside(address_of(to), address_of(from), bytes);
    });
  }
  Status clear(std::byte* to, size_t bytes) override {
    return add([=](EmulatorCore& core) { return core.clear(address_of(to), bytes); });
  }
  Status launch(const GpuFunction& function, const GpuLaunch& launch, const void* parameter,
                size_t parameter_bytes) override;

  Result<std::unique_ptr<GpuEvent>> record() override {
    const auto reached = std::make_shared<Reached>();
    BITNETC_RETURN_IF_ERROR(add([reached](EmulatorCore&) {
      *reached = std::chrono::steady_clock::now();
      return Status();
    }));
    return std::unique_ptr<GpuEvent>(std::make_unique<EmulatedEvent>(*this, reached));
  }
  Status begin_capture() override {
    BITNETC_CHECK(!captures_, "a capture inside of a capture");
    captures_ = true;
    return {};
  }
  Result<std::unique_ptr<GpuGraph>> end_capture() override {
    BITNETC_CHECK(captures_, "no capture has begun");
    captures_ = false;
    return std::unique_ptr<GpuGraph>(std::make_unique<EmulatedGraph>(std::exchange(captured_, {})));
  }
  Status launch(const GpuGraph& graph) override {
    for (const Work& work : static_cast<const EmulatedGraph&>(graph).work)
      BITNETC_RETURN_IF_ERROR(add(work));
    return {};
  }

  Status wait() override {
    const std::lock_guard lock(core_->mutex);
    while (!queue_.empty() && core_->lost.ok()) {
      const Work work = std::move(queue_.front());
      queue_.pop_front();
      BITNETC_RETURN_IF_ERROR(work(*core_));
    }
    queue_.clear();
    return core_->lost;
  }

 private:
  Status add(Work work) {
    {
      const std::lock_guard lock(core_->mutex);
      BITNETC_RETURN_IF_ERROR(core_->lost);
    }
    if (captures_)
      captured_.push_back(std::move(work));
    else
      queue_.push_back(std::move(work));
    return {};
  }

  const std::shared_ptr<EmulatorCore> core_;
  std::deque<Work> queue_;
  std::vector<Work> captured_;
  bool captures_ = false;
};

Result<double> EmulatedEvent::milliseconds_since(const GpuEvent& earlier) {
  if (!*reached_) BITNETC_RETURN_IF_ERROR(stream_.wait());
  const Reached before = *static_cast<const EmulatedEvent&>(earlier).reached_;
  if (!*reached_ || !before)
    return make_error(StatusCode::kInvalidArgument, "an event that its stream has not reached");
  return std::chrono::duration<double, std::milli>(**reached_ - *before).count();
}

// Which instructions older GPUs lack: NVRTC's PTX has what inline assembly says.
int least_sm(std::string_view name) {
  if (name.starts_with("griddepcontrol")) return 90;
  const bool is_of_ampere = name.starts_with("cp.async") || name.starts_with("redux") ||
                            name.find("m16n8k32") != std::string_view::npos;
  return is_of_ampere ? 80 : kLeastEmulatedSm;
}

Status check_instructions(const PtxFunction& function, int sm) {
  for (const emulator::Instruction& instruction : function.code) {
    const std::string& name = function.names[static_cast<size_t>(instruction.name)];
    if (least_sm(name) > sm)
      return make_error(StatusCode::kUnsupported, "PTX line {}: {} needs sm_{}, this is sm_{}",
                        instruction.line, name, least_sm(name), sm);
  }
  return {};
}

Status check_launch(const EmulatedFunction& function, const GpuLaunch& launch,
                    size_t parameter_bytes, const GpuProperties& gpu) {
  const PtxFunction& code = function.code();
  const auto refuse = [&](std::string_view what, int64_t asked, int64_t most) {
    return make_error(StatusCode::kInvalidArgument, "{}: {} {}, expected 1 to {}", function.name(),
                      asked, what, most);
  };
  if (launch.threads == 0 || launch.threads > std::min<uint32_t>(kMostThreads, code.most_threads))
    return refuse("threads of a block", launch.threads,
                  std::min<int64_t>(kMostThreads, code.most_threads));
  if (launch.blocks_x == 0 || launch.blocks_x > INT32_MAX)
    return refuse("blocks in a row", launch.blocks_x, INT32_MAX);
  if (launch.blocks_y == 0 || launch.blocks_y > kMostBlocksY)
    return refuse("rows of blocks", launch.blocks_y, kMostBlocksY);
  const int64_t shared = code.shared_bytes + int64_t{launch.shared_bytes};
  if (shared > gpu.shared_bytes_per_block)
    return make_error(StatusCode::kInvalidArgument, "{}: {} bytes of shared memory, {} has {}",
                      function.name(), shared, gpu.name, gpu.shared_bytes_per_block);
  if (launch.all_resident) {
    int64_t fit = gpu.threads_per_multiprocessor / int64_t{launch.threads};
    if (shared > 0) fit = std::min(fit, gpu.shared_bytes_per_multiprocessor / shared);
    const int64_t blocks = int64_t{launch.blocks_x} * launch.blocks_y;
    if (blocks > fit * gpu.multiprocessors)
      return refuse("blocks at the same time", blocks, fit * gpu.multiprocessors);
  }
  if (parameter_bytes > kMostParameterBytes ||
      static_cast<int64_t>(parameter_bytes) < code.parameter_bytes)
    return make_error(StatusCode::kInvalidArgument, "{}: a parameter of {} bytes, expected {}",
                      function.name(), parameter_bytes, code.parameter_bytes);
  return {};
}

Status EmulatedStream::launch(const GpuFunction& function, const GpuLaunch& launch,
                              const void* parameter, size_t parameter_bytes) {
  const auto& code = static_cast<const EmulatedFunction&>(function);
  BITNETC_RETURN_IF_ERROR(check_launch(code, launch, parameter_bytes, core_->properties));
  const auto* const first = static_cast<const std::byte*>(parameter);
  return add([&code, launch,
              bytes = std::vector<std::byte>(first, first + parameter_bytes)](EmulatorCore& core) {
    LaunchMetrics metrics;
    const Status status = emulator::run_launch(
        {.function = code.code(), .kernel_name = code.name(), .launch = launch, .parameter = bytes},
        core.settings, core.memory, metrics);
    core.metrics.warp_instructions += metrics.warp_instructions;
    core.metrics.lane_instructions += metrics.lane_instructions;
    core.metrics.global_requests += metrics.global_requests;
    core.metrics.global_bytes += metrics.global_bytes;
    core.metrics.global_sectors += metrics.global_sectors;
    core.metrics.shared_requests += metrics.shared_requests;
    core.metrics.shared_passes += metrics.shared_passes;
    core.metrics.shared_least_passes += metrics.shared_least_passes;
    for (const auto& [name, count] : metrics.by_name) core.metrics.by_name[name] += count;
    return status.ok() ? status : core.lose(status);
  });
}

class Emulator final : public EmulatedGpu {
 public:
  explicit Emulator(const EmulatorSettings& settings)
      : core_(std::make_shared<EmulatorCore>(settings)) {
    core_->properties = {.name = fmt::format("emulated sm_{}", settings.sm),
                         .driver = "emulator",
                         .sm = settings.sm,
                         .multiprocessors = 4,
                         .memory_bytes = settings.memory_bytes,
                         .shared_bytes_per_block = shared_bytes_per_block(settings.sm),
                         .shared_bytes_per_multiprocessor = shared_bytes_per_block(settings.sm),
                         .registers_per_multiprocessor = 65536,
                         .threads_per_multiprocessor = 1024};
  }

  const GpuProperties& properties() const override { return core_->properties; }

  Result<DeviceMemory> allocate(size_t bytes) override {
    const std::lock_guard lock(core_->mutex);
    BITNETC_RETURN_IF_ERROR(core_->lost);
    BITNETC_ASSIGN_OR_RETURN(const uint64_t address, core_->memory.allocate(bytes));
    auto* const at = reinterpret_cast<std::byte*>(address);
    const std::shared_ptr<const void> owner(at, [core = core_](const std::byte* block) {
      const std::lock_guard free_lock(core->mutex);
      core->memory.free(address_of(block));
    });
    return DeviceMemory{.address = at, .bytes = bytes, .owner = owner};
  }
  Result<DeviceMemory> allocate_host(size_t bytes) override { return cpu_device().allocate(bytes); }

  Status upload(std::byte* to, const void* from, size_t bytes) override {
    const std::lock_guard lock(core_->mutex);
    BITNETC_RETURN_IF_ERROR(core_->lost);
    return core_->copy_in(address_of(to), from, bytes);
  }
  Status download(void* to, const std::byte* from, size_t bytes) override {
    const std::lock_guard lock(core_->mutex);
    BITNETC_RETURN_IF_ERROR(core_->lost);
    return core_->copy_out(to, address_of(from), bytes);
  }
  Result<std::unique_ptr<GpuStream>> create_stream() override {
    return std::unique_ptr<GpuStream>(std::make_unique<EmulatedStream>(core_));
  }
  bool is_lost() const override {
    const std::lock_guard lock(core_->mutex);
    return !core_->lost.ok();
  }
  LaunchMetrics take_metrics() override {
    const std::lock_guard lock(core_->mutex);
    return std::exchange(core_->metrics, {});
  }

 protected:
  Result<std::shared_ptr<const GpuFunction>> load(const GpuCode& code,
                                                  const std::string& name) override {
    {
      const std::lock_guard lock(core_->mutex);
      BITNETC_RETURN_IF_ERROR(core_->lost);
    }
    if (code.sm != core_->properties.sm)
      return make_error(StatusCode::kUnsupported, "{} is code for sm_{}, this is {}", name, code.sm,
                        core_->properties.name);
    auto parsed = emulator::parse_ptx(code.ptx, code.entry);
    if (!parsed.ok()) return parsed.status().with_context(name);
    BITNETC_RETURN_IF_ERROR(check_instructions(*parsed, code.sm).with_context(name));
    return std::shared_ptr<const GpuFunction>(
        std::make_shared<EmulatedFunction>(*std::move(parsed), name));
  }

 private:
  const std::shared_ptr<EmulatorCore> core_;
};

double over(int64_t taken, double least) {
  return least > 0 ? static_cast<double>(taken) / least : 1;
}

}  // namespace

double LaunchMetrics::sectors_per_ideal() const {
  return over(global_sectors, static_cast<double>(global_bytes) / 32);
}
double LaunchMetrics::passes_per_ideal() const {
  return over(shared_passes, static_cast<double>(shared_least_passes));
}

Result<std::unique_ptr<EmulatedGpu>> make_emulated_gpu(const EmulatorSettings& settings) {
  if (settings.sm < kLeastEmulatedSm || settings.sm > kMostEmulatedSm)
    return make_error(StatusCode::kInvalidArgument,
                      "an emulated GPU of sm_{}, expected sm_{} to sm_{}", settings.sm,
                      kLeastEmulatedSm, kMostEmulatedSm);
  return std::unique_ptr<EmulatedGpu>(std::make_unique<Emulator>(settings));
}

}  // namespace bitnetc
