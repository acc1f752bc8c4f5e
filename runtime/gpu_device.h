// NVIDIA GPUs, and the emulator that runs their PTX on the CPU (runtime/gpu/): one interface, so
// that all above it is the same code with and without a GPU.
//
// What a kernel gets is its operation's Args struct (runtime/kernel_args.h) with addresses of the
// device in it. Kernels that do a whole batch per call (matmul, head) get the struct itself; those
// of one token per call get an array of structs in the device's memory, one per token, and one
// launch does all of them (GpuCode::Calls). Such an array is written before a graph is launched, so
// that a graph of launches stays the same from token to token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "runtime/device.h"
#include "runtime/kernel.h"
#include "runtime/status.h"

namespace bitnetc {

// What a GPU is; of the emulator, what it plays. Bytes, kHz, counts.
struct GpuProperties {
  std::string name;    // "NVIDIA H200"
  std::string driver;  // version of what runs its code: "580.159.03", "emulator"
  int sm = 0;          // compute capability without the point: 90
  int multiprocessors = 0;
  int clock_khz = 0;  // the highest; 0: unknown
  int memory_clock_khz = 0;
  int memory_bus_bits = 0;
  size_t memory_bytes = 0;
  size_t l2_bytes = 0;
  int shared_bytes_per_block = 0;  // the most that a launch may ask for
  int shared_bytes_per_multiprocessor = 0;
  int registers_per_multiprocessor = 0;
  int threads_per_multiprocessor = 0;
};

// One grid of blocks.
struct GpuLaunch {
  uint32_t blocks_x = 1;
  uint32_t blocks_y = 1;
  uint32_t threads = 32;      // of a block, at most 1,024
  uint32_t shared_bytes = 0;  // dynamic
  bool all_resident = false;  // cooperative: blocks may wait for each other

  bool operator==(const GpuLaunch&) const = default;
};

// What the compiler counted of a kernel's machine code; all 0 where there is PTX alone.
struct GpuResources {
  int registers = 0;     // of a thread
  int stack_bytes = 0;   // of a thread: arrays and spills
  int spill_bytes = 0;   // stored and loaded by a thread because registers ran out
  int shared_bytes = 0;  // of a block, beside GpuLaunch::shared_bytes
};

// Generated code of one kernel, as a Kernel's context holds it (GpuCode::kernel). Which of the two
// texts is read is the device's choice.
struct GpuCode {
  // What the kernel's parameter is.
  enum class Calls {
    kOne,   // the Args struct itself, by value
    kMany,  // const Args*, an array in device memory with an element per block of the y axis
  };

  std::string entry;  // name of the function
  std::string ptx;    // text
  std::string cubin;  // machine code for exactly `sm`; empty: none was made
  int sm = 0;         // what the code was made for
  GpuResources resources = {};
  Calls calls = Calls::kOne;
  size_t args_bytes = 0;  // of one Args struct
  // The launch for one call with these Args (of kMany: blocks_y is 1). `args` lies on the host. A
  // launch of several calls has the most blocks_x and shared bytes of any of them: a block that has
  // nothing to do for its call does nothing.
  GpuLaunch (*launch)(const void* args, const GpuCode& code) = nullptr;
  // What `launch` reads: numbers of the spec and of the plan, as the generator chooses.
  static constexpr size_t kNumbers = 8;
  int64_t numbers[kNumbers] = {};

  // `code` with its name, as the runtime and the proofs pass it on.
  static Kernel kernel(std::string name, std::shared_ptr<const GpuCode> code);
};

// A function of code that a device has loaded.
class GpuFunction {
 public:
  virtual ~GpuFunction() = default;
  // What the compiler made of it; 0 from PTX that was not compiled. Bytes per thread.
  virtual int registers() const = 0;
  virtual int local_bytes() const = 0;  // spills and arrays
};

// A point in a stream of work.
class GpuEvent {
 public:
  virtual ~GpuEvent() = default;
  // Between two points that have been reached; waits for this one. Error: as GpuStream::wait.
  virtual Result<double> milliseconds_since(const GpuEvent& earlier) = 0;
};

// Launches and copies that were captured, to be launched as one.
class GpuGraph {
 public:
  virtual ~GpuGraph() = default;
};

// Work that is done in order, after the call that asked for it has returned; errors of the work
// itself come from wait(). One thread at a time. What a copy reads or writes on the host stays
// until wait() has returned. Outlives what was asked of it: destroying it waits.
class GpuStream {
 public:
  virtual ~GpuStream() = default;

  virtual Status upload(std::byte* to, const void* from, size_t bytes) = 0;
  virtual Status download(void* to, const std::byte* from, size_t bytes) = 0;
  virtual Status copy(std::byte* to, const std::byte* from, size_t bytes) = 0;  // on the device
  virtual Status clear(std::byte* to, size_t bytes) = 0;                        // to zeros
  // `parameter` is copied before the call returns.
  // Error: kInvalidArgument for a launch that the device cannot do, with its limit.
  virtual Status launch(const GpuFunction& function, const GpuLaunch& launch, const void* parameter,
                        size_t parameter_bytes) = 0;

  virtual Result<std::unique_ptr<GpuEvent>> record() = 0;
  // Between the two nothing is done: what is asked for becomes the graph.
  virtual Status begin_capture() = 0;
  virtual Result<std::unique_ptr<GpuGraph>> end_capture() = 0;
  virtual Status launch(const GpuGraph& graph) = 0;  // the graph outlives the work

  // Until all that was asked for is done. Error: kUnsupported saying what failed and in which
  // kernel; the device is lost then (GpuDevice::is_lost).
  virtual Status wait() = 0;
};

// Any thread may call.
class GpuDevice : public Device {
 public:
  virtual const GpuProperties& properties() const = 0;
  Target target() const override {
    return {.architecture = Architecture::kCuda, .features = {}, .sm = properties().sm};
  }
  bool shares_host_memory() const override { return false; }

  Status copy(std::byte* to, const std::byte* from, size_t bytes) override;

  // Memory of the host that copies of streams are fastest with. Zero-filled. Error: kOutOfMemory.
  virtual Result<DeviceMemory> allocate_host(size_t bytes) = 0;
  virtual Result<std::unique_ptr<GpuStream>> create_stream() = 0;
  // A fault in a kernel (an address out of bounds, a trap) ends the use of a device: all calls fail
  // from then on, with the same error.
  virtual bool is_lost() const = 0;

  // The function of `code`, loaded once for as long as the device is there.
  // Error: kUnsupported where the code is for another GPU or the driver refuses it, saying why.
  Result<std::shared_ptr<const GpuFunction>> function(const Kernel& kernel);
  // One call; loads the code where it was not. Error: as function() and GpuStream.
  Status run(const Kernel& kernel, const void* args, size_t args_bytes) override;

 protected:
  // Loads code; called once per GpuCode.
  virtual Result<std::shared_ptr<const GpuFunction>> load(const GpuCode& code,
                                                          const std::string& name) = 0;

 private:
  struct Loaded {
    Kernel kernel;  // keeps the code, whose address is the key
    std::shared_ptr<const GpuFunction> function;
  };
  std::mutex mutex_;  // guards loaded_
  std::map<const GpuCode*, Loaded> loaded_;
};

// The code of a kernel that a GpuCode stands behind; null: it is the host's.
const GpuCode* gpu_code(const Kernel& kernel);

}  // namespace bitnetc
