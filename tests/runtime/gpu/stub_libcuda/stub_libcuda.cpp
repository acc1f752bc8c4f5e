// An imitation of the NVIDIA driver's library in the host's memory, for tests: streams run at once,
// kernels are what a test says, and faults come when they are asked for. Signatures are written as
// the driver's documentation has them, not taken from the code under test.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/runtime/gpu/stub_libcuda/stub_state.h"

#define STUB_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using bitnetc::StubLaunch;
using bitnetc::StubState;
using Address = unsigned long long;
using Work = std::function<void()>;

struct StubContext {};
struct StubStream {
  bool capturing = false;
  std::vector<Work> captured;
};
struct StubGraph {
  std::vector<Work> work;
};
struct StubEvent {
  int at = 0;
};
struct StubModule {
  std::string image;
};
struct StubFunction {
  std::string name;
};

StubState state;
std::recursive_mutex mutex;
StubContext context;
thread_local std::vector<StubContext*> current;
std::map<Address, size_t> blocks;
int clock_ticks = 0;

constexpr int kInvalidValue = 1, kOutOfMemory = 2, kNoDevice = 100, kInvalidContext = 201,
              kNotFound = 500, kCaptureUnsupported = 900;

// A call that needs a context, on a GPU that may be lost.
template <typename Call>
int in_context(Call&& call) {
  const std::lock_guard lock(mutex);
  if (current.empty()) return kInvalidContext;
  if (state.sticky != 0) {
    if (std::exchange(state.is_loss_told, true)) ++state.calls_after_loss;
    return state.sticky;
  }
  return call();
}

// Whether [address, address + bytes) lies in a block.
bool is_allocated(Address address, size_t bytes) {
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin()) return false;
  const auto& [start, size] = *--after;
  return address + bytes <= start + size;
}

int submit(StubStream* stream, Work work) {
  if (stream->capturing)
    stream->captured.push_back(std::move(work));
  else if (state.sticky == 0)
    work();
  return 0;
}

void run_kernel(const StubLaunch& launch) {
  if (state.sticky != 0) return;
  state.launches.push_back(launch);
  if (state.fault != 0) {
    state.sticky = state.fault;
    return;
  }
  if (state.on_launch) state.on_launch(launch);
}

int launch_kernel(StubFunction* function, unsigned blocks_x, unsigned blocks_y, unsigned threads,
                  unsigned shared_bytes, StubStream* stream, std::vector<std::byte> parameter,
                  bool cooperative) {
  if (state.launch_result != 0) return state.launch_result;
  StubLaunch launch{function->name,      blocks_x, blocks_y, threads, shared_bytes, cooperative,
                    std::move(parameter)};
  return submit(stream, [launch = std::move(launch)] { run_kernel(launch); });
}

// A lost GPU's objects are not given back one by one: they stay known, so that nothing is leaked.
template <typename T>
T* keep(T* object) {
  static auto& all = *new std::vector<void*>;
  all.push_back(object);
  return object;
}

std::vector<std::byte> bytes_at(const void* from, size_t count) {
  const auto* const bytes = static_cast<const std::byte*>(from);
  return {bytes, bytes + count};
}

}  // namespace

STUB_EXPORT StubState* stub_libcuda_state() {
  return &state;
}

STUB_EXPORT int cuDriverGetVersion(int* version) {
  *version = state.cuda_version;
  return 0;
}

STUB_EXPORT int cuInit(unsigned) {
  return state.init_result;
}

STUB_EXPORT int cuGetErrorName(int code, const char** name) {
  static const std::map<int, const char*> names = {{1, "CUDA_ERROR_INVALID_VALUE"},
                                                   {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                   {34, "CUDA_ERROR_STUB_LIBRARY"},
                                                   {46, "CUDA_ERROR_DEVICE_UNAVAILABLE"},
                                                   {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
                                                   {214, "CUDA_ERROR_ECC_UNCORRECTABLE"},
                                                   {218, "CUDA_ERROR_INVALID_PTX"},
                                                   {221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND"},
                                                   {500, "CUDA_ERROR_NOT_FOUND"},
                                                   {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
                                                   {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
                                                   {716, "CUDA_ERROR_MISALIGNED_ADDRESS"},
                                                   {719, "CUDA_ERROR_LAUNCH_FAILED"},
                                                   {802, "CUDA_ERROR_SYSTEM_NOT_READY"},
                                                   {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"}};
  const auto at = names.find(code);
  if (at == names.end()) return kInvalidValue;
  *name = at->second;
  return 0;
}

STUB_EXPORT int cuGetErrorString(int code, const char** text) {
  *text = code == 700 ? "an illegal memory access was encountered" : "text of the driver";
  return 0;
}

STUB_EXPORT int cuDeviceGetCount(int* count) {
  *count = state.devices;
  return state.devices == 0 ? kNoDevice : 0;
}

STUB_EXPORT int cuDeviceGet(int* device, int index) {
  *device = index;
  return 0;
}

STUB_EXPORT int cuDeviceGetName(char* name, int length, int) {
  std::strncpy(name, "NVIDIA Stub", static_cast<size_t>(length));
  return 0;
}

STUB_EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = state.memory_bytes;
  return 0;
}

STUB_EXPORT int cuDeviceGetAttribute(int* value, int attribute, int) {
  const std::map<int, int> values = {{13, 1980000},       {16, 132},           {36, 3201000},
                                     {37, 6144},          {38, 50 << 20},      {39, 2048},
                                     {75, state.sm / 10}, {76, state.sm % 10}, {81, 233472},
                                     {82, 65536},         {97, 232448}};
  const auto at = values.find(attribute);
  if (at == values.end()) return kInvalidValue;
  *value = at->second;
  return 0;
}

STUB_EXPORT int cuDevicePrimaryCtxRetain(StubContext** retained, int) {
  const std::lock_guard lock(mutex);
  if (state.retain_result != 0) return state.retain_result;
  ++state.contexts;
  *retained = &context;
  return 0;
}

// The last release ends the context; a lost one takes along what is left of it.
STUB_EXPORT int cuDevicePrimaryCtxRelease_v2(int) {
  const std::lock_guard lock(mutex);
  if (--state.contexts > 0 || state.sticky == 0) return 0;
  state.sticky = 0;
  state.is_loss_told = false;
  state.memory = state.streams = state.events = state.graphs = state.modules = 0;
  state.used_bytes = 0;
  blocks.clear();
  return 0;
}

STUB_EXPORT int cuCtxPushCurrent_v2(StubContext* pushed) {
  current.push_back(pushed);
  return 0;
}

STUB_EXPORT int cuCtxPopCurrent_v2(StubContext** popped) {
  if (current.empty()) return kInvalidContext;
  *popped = current.back();
  current.pop_back();
  return 0;
}

// Of the calling thread; a caller's own must be as before.
STUB_EXPORT int stub_libcuda_depth() {
  return static_cast<int>(current.size());
}

STUB_EXPORT int cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
  return in_context([&] {
    *free_bytes = state.memory_bytes - state.used_bytes;
    *total = state.memory_bytes;
    return 0;
  });
}

STUB_EXPORT int cuMemAlloc_v2(Address* address, size_t bytes) {
  return in_context([&] {
    if (bytes == 0) return kInvalidValue;
    if (bytes > state.memory_bytes - state.used_bytes) return kOutOfMemory;
    void* const memory = keep(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
    std::memset(memory, 0xa5, bytes);
    *address = reinterpret_cast<Address>(memory);
    blocks[*address] = bytes;
    state.used_bytes += bytes;
    ++state.memory;
    return 0;
  });
}

STUB_EXPORT int cuMemFree_v2(Address address) {
  return in_context([&] {
    const auto at = blocks.find(address);
    if (at == blocks.end()) return kInvalidValue;
    state.used_bytes -= at->second;
    blocks.erase(at);
    std::free(reinterpret_cast<void*>(address));
    --state.memory;
    return 0;
  });
}

STUB_EXPORT int cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
  return in_context([&] {
    if (bytes > state.memory_bytes) return kOutOfMemory;
    *memory = keep(std::malloc(bytes));
    std::memset(*memory, 0xa5, bytes);
    ++state.memory;
    return 0;
  });
}

STUB_EXPORT int cuMemFreeHost(void* memory) {
  return in_context([&] {
    std::free(memory);
    --state.memory;
    return 0;
  });
}

STUB_EXPORT int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes,
                                     StubStream* stream) {
  return in_context([&] {
    if (!is_allocated(to, bytes)) return kInvalidValue;
    return submit(stream, [=] { std::memcpy(reinterpret_cast<void*>(to), from, bytes); });
  });
}

STUB_EXPORT int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, StubStream* stream) {
  return in_context([&] {
    if (!is_allocated(from, bytes)) return kInvalidValue;
    return submit(stream, [=] { std::memcpy(to, reinterpret_cast<void*>(from), bytes); });
  });
}

STUB_EXPORT int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, StubStream* stream) {
  return in_context([&] {
    if (!is_allocated(from, bytes) || !is_allocated(to, bytes)) return kInvalidValue;
    return submit(stream, [=] {
      std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes);
    });
  });
}

STUB_EXPORT int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, StubStream* stream) {
  return in_context([&] {
    if (!is_allocated(to, bytes)) return kInvalidValue;
    return submit(stream, [=] { std::memset(reinterpret_cast<void*>(to), value, bytes); });
  });
}

STUB_EXPORT int cuStreamCreate(StubStream** stream, unsigned) {
  return in_context([&] {
    *stream = keep(new StubStream);
    ++state.streams;
    return 0;
  });
}

STUB_EXPORT int cuStreamDestroy_v2(StubStream* stream) {
  return in_context([&] {
    delete stream;
    --state.streams;
    return 0;
  });
}

STUB_EXPORT int cuStreamSynchronize(StubStream* stream) {
  return in_context([&] { return stream->capturing ? kCaptureUnsupported : 0; });
}

STUB_EXPORT int cuStreamBeginCapture_v2(StubStream* stream, int) {
  return in_context([&] {
    stream->capturing = true;
    return 0;
  });
}

#ifndef STUB_WITHOUT_GRAPHS
STUB_EXPORT int cuStreamEndCapture(StubStream* stream, StubGraph** graph) {
  return in_context([&] {
    stream->capturing = false;
    *graph = keep(new StubGraph{std::move(stream->captured)});
    stream->captured.clear();
    ++state.graphs;
    return 0;
  });
}
#endif

STUB_EXPORT int cuGraphInstantiateWithFlags(StubGraph** exec, StubGraph* graph,
                                            unsigned long long) {
  return in_context([&] {
    *exec = keep(new StubGraph(*graph));
    ++state.graphs;
    return 0;
  });
}

STUB_EXPORT int cuGraphLaunch(StubGraph* graph, StubStream*) {
  return in_context([&] {
    for (const Work& work : graph->work)
      if (state.sticky == 0) work();
    return 0;
  });
}

STUB_EXPORT int cuGraphDestroy(StubGraph* graph) {
  return in_context([&] {
    delete graph;
    --state.graphs;
    return 0;
  });
}

STUB_EXPORT int cuGraphExecDestroy(StubGraph* graph) {
  return cuGraphDestroy(graph);
}

STUB_EXPORT int cuEventCreate(StubEvent** event, unsigned) {
  return in_context([&] {
    *event = keep(new StubEvent);
    ++state.events;
    return 0;
  });
}

STUB_EXPORT int cuEventDestroy_v2(StubEvent* event) {
  return in_context([&] {
    delete event;
    --state.events;
    return 0;
  });
}

STUB_EXPORT int cuEventRecord(StubEvent* event, StubStream*) {
  return in_context([&] {
    event->at = ++clock_ticks;
    return 0;
  });
}

STUB_EXPORT int cuEventSynchronize(StubEvent*) {
  return in_context([&] { return 0; });
}

STUB_EXPORT int cuEventElapsedTime(float* milliseconds, StubEvent* from, StubEvent* to) {
  return in_context([&] {
    *milliseconds = static_cast<float>(to->at - from->at);
    return 0;
  });
}

STUB_EXPORT int cuModuleLoadDataEx(StubModule** module, const void* image, unsigned count,
                                   int* options, void** values) {
  return in_context([&] {
    const std::string text = static_cast<const char*>(image);
    state.images.push_back(text);
    const bool is_ptx = text.starts_with(".version");
    if (const int code = is_ptx ? state.ptx_result : state.cubin_result; code != 0) {
      for (unsigned i = 0; i < count; ++i)
        if (options[i] == 5 && is_ptx)
          std::strcpy(static_cast<char*>(values[i]), state.ptx_log.c_str());
      return code;
    }
    *module = keep(new StubModule{text});
    ++state.modules;
    return 0;
  });
}

STUB_EXPORT int cuModuleUnload(StubModule* module) {
  return in_context([&] {
    delete module;
    --state.modules;
    return 0;
  });
}

// Every name is a function but "absent". They are never freed, like the driver's.
STUB_EXPORT int cuModuleGetFunction(StubFunction** function, StubModule*, const char* name) {
  return in_context([&] {
    static std::map<std::string, StubFunction> functions;
    if (std::strcmp(name, "absent") == 0) return kNotFound;
    StubFunction& found = functions[name];
    found.name = name;
    *function = &found;
    return 0;
  });
}

STUB_EXPORT int cuFuncGetAttribute(int* value, int attribute, StubFunction*) {
  return in_context([&] {
    const std::map<int, int> values = {
        {0, state.function_max_threads}, {1, state.function_shared_bytes}, {3, 16}, {4, 40}};
    const auto at = values.find(attribute);
    if (at == values.end()) return kInvalidValue;
    *value = at->second;
    return 0;
  });
}

STUB_EXPORT int cuFuncSetAttribute(StubFunction*, int attribute, int value) {
  return in_context([&] {
    if (attribute != 8) return kInvalidValue;
    state.dynamic_shared_bytes = value;
    return 0;
  });
}

STUB_EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* count, StubFunction*, int,
                                                            size_t) {
  return in_context([&] {
    *count = state.blocks_per_multiprocessor;
    return 0;
  });
}

STUB_EXPORT int cuLaunchKernel(StubFunction* function, unsigned blocks_x, unsigned blocks_y,
                               unsigned, unsigned threads, unsigned, unsigned,
                               unsigned shared_bytes, StubStream* stream, void** parameters,
                               void** extra) {
  return in_context([&] {
    if (parameters != nullptr || reinterpret_cast<uintptr_t>(extra[0]) != 1 ||
        reinterpret_cast<uintptr_t>(extra[2]) != 2 || extra[4] != nullptr)
      return kInvalidValue;
    const size_t bytes = *static_cast<size_t*>(extra[3]);
    return launch_kernel(function, blocks_x, blocks_y, threads, shared_bytes, stream,
                         bytes_at(extra[1], bytes), false);
  });
}

STUB_EXPORT int cuLaunchCooperativeKernel(StubFunction* function, unsigned blocks_x,
                                          unsigned blocks_y, unsigned, unsigned threads, unsigned,
                                          unsigned, unsigned shared_bytes, StubStream* stream,
                                          void** parameters) {
  return in_context([&] {
    return launch_kernel(function, blocks_x, blocks_y, threads, shared_bytes, stream,
                         bytes_at(parameters[0], 8), true);
  });
}
