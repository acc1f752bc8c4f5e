// NVRTC, NVIDIA's compiler of CUDA C++ as a library: found and opened when the first kernel for a
// GPU is built, never linked to. Only this pair of files knows its functions, and none of its
// headers is needed.
//
// What it compiles has the bits of docs/numerics.md: no operation is fused, approximated or flushed
// to zero (the options are in the .cpp file).
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/gpu_device.h"
#include "runtime/status.h"

namespace bitnetc::cuda {

// A file of device code, and the name that #include knows it by.
struct DeviceSource {
  std::string_view name;
  std::string_view text;
};

struct CompiledCode {
  std::string ptx;
  std::string cubin;  // empty: NVRTC does not know the GPU, whose driver may compile the PTX
  std::string log;    // warnings and what the assembler counted
  GpuResources resources;
};

// Thread-safe; stays open until the process ends.
class NvrtcCompiler {
 public:
  // `library`: a path, or a name for the dynamic linker.
  // Error: kNotFound where there is no such library; kUnsupported naming the file, what is wrong
  // with it and what to do.
  static Result<std::shared_ptr<const NvrtcCompiler>> open(const std::string& library);

  int major() const { return major_; }
  int minor() const { return minor_; }
  const std::string& path() const { return path_; }
  std::string describe() const;  // "NVRTC 13.0"
  // Compute capabilities it knows, without the point, ascending.
  const std::vector<int>& architectures() const { return architectures_; }
  // All options of a compilation for `sm`: with the source and the version all that the result
  // depends on. Error: kUnsupported where NVRTC knows no GPU up to `sm`.
  Result<std::vector<std::string>> options(int sm) const;

  // `kernel`: for messages. For an `sm` it does not know: PTX alone, for the highest one below.
  // Error: kUnsupported with the kernel's name and the first lines that NVRTC says.
  Result<CompiledCode> compile(const std::string& kernel, const std::string& source,
                               std::span<const DeviceSource> headers, int sm) const;

  // Whether nobody has asked this for the GPU yet: so that a note about it is made once.
  bool is_first_time(int sm) const;

 private:
  struct Functions;
  NvrtcCompiler() = default;

  std::shared_ptr<const Functions> functions_;
  std::string path_;
  int major_ = 0, minor_ = 0;
  std::vector<int> architectures_;
  mutable std::mutex mutex_;  // guards asked_for_
  mutable std::set<int> asked_for_;
};

// The first that can be opened, by name from where the dynamic linker looks or else from one of
// `folders`; the newest of each place.
// Error: kNotFound naming where it was looked for; what is wrong with the first that is there.
Result<std::shared_ptr<const NvrtcCompiler>> open_nvrtc(std::span<const std::string> names,
                                                        std::span<const std::string> folders);

// The NVRTC of this machine, opened once per `cuda_folder` (BuildSettings::cuda_folder): by name,
// from `cuda_folder`, or from /usr/local/cuda*. Error: as open_nvrtc(), the same at every call.
Result<std::shared_ptr<const NvrtcCompiler>> find_nvrtc(const std::string& cuda_folder);

}  // namespace bitnetc::cuda
