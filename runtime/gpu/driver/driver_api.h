// The functions of the NVIDIA driver's library that we call, declared by us: names with the version
// suffix that the exported symbols have. All are there from CUDA 12.0 on (driver 525).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/status.h"

namespace bitnetc::driver {

using Code = int;  // a CUresult
using Address = unsigned long long;
using DeviceId = int;
using Context = struct ContextRecord*;
using Stream = struct StreamRecord*;
using Event = struct EventRecord*;
using Graph = struct GraphRecord*;
using GraphExec = struct GraphExecRecord*;
using Module = struct ModuleRecord*;
using Function = struct FunctionRecord*;

// Codes that are told apart.
inline constexpr Code kSuccess = 0;
inline constexpr Code kErrorOutOfMemory = 2;
inline constexpr Code kErrorDeinitialized = 4;
inline constexpr Code kErrorStubLibrary = 34;
inline constexpr Code kErrorDeviceUnavailable = 46;
inline constexpr Code kErrorNoDevice = 100;
inline constexpr Code kErrorInvalidImage = 200;
inline constexpr Code kErrorNoBinaryForGpu = 209;
inline constexpr Code kErrorEccUncorrectable = 214;
inline constexpr Code kErrorInvalidPtx = 218;
inline constexpr Code kErrorNvlinkUncorrectable = 220;
inline constexpr Code kErrorJitCompilerNotFound = 221;
inline constexpr Code kErrorUnsupportedPtxVersion = 222;
inline constexpr Code kErrorNotFound = 500;
inline constexpr Code kErrorIllegalAddress = 700;
inline constexpr Code kErrorLaunchTimeout = 702;
inline constexpr Code kErrorContextIsDestroyed = 709;
inline constexpr Code kErrorAssert = 710;
inline constexpr Code kErrorHardwareStack = 714;
inline constexpr Code kErrorIllegalInstruction = 715;
inline constexpr Code kErrorMisalignedAddress = 716;
inline constexpr Code kErrorInvalidAddressSpace = 717;
inline constexpr Code kErrorInvalidPc = 718;
inline constexpr Code kErrorLaunchFailed = 719;
inline constexpr Code kErrorSystemNotReady = 802;
inline constexpr Code kErrorSystemDriverMismatch = 803;
inline constexpr Code kErrorCompatNotSupported = 804;
inline constexpr Code kErrorUnknown = 999;

// Attributes of a device.
enum DeviceAttribute : int {
  kClockRate = 13,
  kMultiprocessorCount = 16,
  kMemoryClockRate = 36,
  kMemoryBusWidth = 37,
  kL2CacheSize = 38,
  kThreadsPerMultiprocessor = 39,
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
  kSharedPerMultiprocessor = 81,
  kRegistersPerMultiprocessor = 82,
  kSharedPerBlockOptIn = 97,
};

// Attributes of a function.
enum FunctionAttribute : int {
  kFunctionMaxThreads = 0,
  kFunctionSharedBytes = 1,  // static
  kFunctionLocalBytes = 3,
  kFunctionRegisters = 4,
  kFunctionMaxDynamicShared = 8,
};

// Options of cuModuleLoadDataEx.
enum JitOption : int {
  kJitErrorLog = 5,
  kJitErrorLogBytes = 6,
};

inline constexpr unsigned kHostAllocPortable = 1;
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr int kCaptureRelaxed = 2;

// Markers of the list that cuLaunchKernel takes as its last argument.
inline void* launch_marker(uintptr_t value) {
  return reinterpret_cast<void*>(value);
}
inline constexpr uintptr_t kLaunchEnd = 0;
inline constexpr uintptr_t kLaunchBuffer = 1;
inline constexpr uintptr_t kLaunchBufferSize = 2;

// F(member, symbol, types of the arguments...); all return a Code.
#define BITNETC_DRIVER_FUNCTIONS(F)                                                          \
  F(driver_version, "cuDriverGetVersion", int*)                                              \
  F(init, "cuInit", unsigned)                                                                \
  F(error_name, "cuGetErrorName", Code, const char**)                                        \
  F(error_text, "cuGetErrorString", Code, const char**)                                      \
  F(device_count, "cuDeviceGetCount", int*)                                                  \
  F(device_get, "cuDeviceGet", DeviceId*, int)                                               \
  F(device_name, "cuDeviceGetName", char*, int, DeviceId)                                    \
  F(device_memory, "cuDeviceTotalMem_v2", size_t*, DeviceId)                                 \
  F(device_attribute, "cuDeviceGetAttribute", int*, int, DeviceId)                           \
  F(retain_context, "cuDevicePrimaryCtxRetain", Context*, DeviceId)                          \
  F(release_context, "cuDevicePrimaryCtxRelease_v2", DeviceId)                               \
  F(push_context, "cuCtxPushCurrent_v2", Context)                                            \
  F(pop_context, "cuCtxPopCurrent_v2", Context*)                                             \
  F(memory_info, "cuMemGetInfo_v2", size_t*, size_t*)                                        \
  F(allocate, "cuMemAlloc_v2", Address*, size_t)                                             \
  F(free, "cuMemFree_v2", Address)                                                           \
  F(allocate_host, "cuMemHostAlloc", void**, size_t, unsigned)                               \
  F(free_host, "cuMemFreeHost", void*)                                                       \
  F(upload, "cuMemcpyHtoDAsync_v2", Address, const void*, size_t, Stream)                    \
  F(download, "cuMemcpyDtoHAsync_v2", void*, Address, size_t, Stream)                        \
  F(copy, "cuMemcpyDtoDAsync_v2", Address, Address, size_t, Stream)                          \
  F(fill, "cuMemsetD8Async", Address, unsigned char, size_t, Stream)                         \
  F(create_stream, "cuStreamCreate", Stream*, unsigned)                                      \
  F(destroy_stream, "cuStreamDestroy_v2", Stream)                                            \
  F(wait_stream, "cuStreamSynchronize", Stream)                                              \
  F(begin_capture, "cuStreamBeginCapture_v2", Stream, int)                                   \
  F(end_capture, "cuStreamEndCapture", Stream, Graph*)                                       \
  F(instantiate_graph, "cuGraphInstantiateWithFlags", GraphExec*, Graph, unsigned long long) \
  F(launch_graph, "cuGraphLaunch", GraphExec, Stream)                                        \
  F(destroy_graph, "cuGraphDestroy", Graph)                                                  \
  F(destroy_graph_exec, "cuGraphExecDestroy", GraphExec)                                     \
  F(create_event, "cuEventCreate", Event*, unsigned)                                         \
  F(destroy_event, "cuEventDestroy_v2", Event)                                               \
  F(record_event, "cuEventRecord", Event, Stream)                                            \
  F(wait_event, "cuEventSynchronize", Event)                                                 \
  F(elapsed, "cuEventElapsedTime", float*, Event, Event)                                     \
  F(load_module, "cuModuleLoadDataEx", Module*, const void*, unsigned, int*, void**)         \
  F(unload_module, "cuModuleUnload", Module)                                                 \
  F(get_function, "cuModuleGetFunction", Function*, Module, const char*)                     \
  F(function_attribute, "cuFuncGetAttribute", int*, int, Function)                           \
  F(set_function_attribute, "cuFuncSetAttribute", Function, int, int)                        \
  F(occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor", int*, Function, int, size_t)   \
  F(launch, "cuLaunchKernel", Function, unsigned, unsigned, unsigned, unsigned, unsigned,    \
    unsigned, unsigned, Stream, void**, void**)                                              \
  F(launch_cooperative, "cuLaunchCooperativeKernel", Function, unsigned, unsigned, unsigned, \
    unsigned, unsigned, unsigned, unsigned, Stream, void**)

struct Api {
#define BITNETC_DRIVER_MEMBER(member, symbol, ...) Code (*member)(__VA_ARGS__) = nullptr;
  BITNETC_DRIVER_FUNCTIONS(BITNETC_DRIVER_MEMBER)
#undef BITNETC_DRIVER_MEMBER

  int cuda_version = 0;  // 12040: what the driver does of CUDA
  std::string file;      // the library
  std::string version;   // of the driver, "580.159.03"; where the file does not say, "CUDA 12.4"
};

// "CUDA 12.4" of 12040
std::string cuda_name(int version);

// The library's functions; a library that was opened stays open. Error: kUnsupported in one
// sentence: there is no driver, it is too old, or a function is missing.
Result<std::shared_ptr<const Api>> load_api(const std::string& library);

}  // namespace bitnetc::driver
