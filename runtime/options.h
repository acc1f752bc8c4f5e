// Every setting that comes from the environment. The command reads it once and hands values down:
// nothing below the command knows these names, and nothing else in the project calls getenv.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

struct Options {
  std::optional<Isa> isa_cap;  // BITNETC_ISA=avx2      caps the tier
  std::string dump_dir;        // BITNETC_DUMP=DIR      one folder per kernel: spec, plan, code
  bool explain = false;        // BITNETC_EXPLAIN=1     every selection: who declined and why
  bool perf_map = false;       // BITNETC_PERF=map      /tmp/perf-<pid>.map for `perf report`
  bool jit = true;             // BITNETC_JIT=off       no executable memory: no generated kernels
  bool poison = false;         // BITNETC_POISON=1      prologues fill unused vector registers
  int threads = 0;             // BITNETC_THREADS=N     thread count; 0: all this process may use
  std::string cache_dir;       // $XDG_CACHE_HOME/bitnetc, else $HOME/.cache/bitnetc, else empty
  std::string state_dir;       // $XDG_STATE_HOME/bitnetc, else in $HOME/.local/state, else empty
  std::string home_dir;        // HOME, for names that begin with ~/
  std::string program_dir;     // folder of the running executable, for the bundled model
  std::string cuda_folder;     // CUDA_HOME, else CUDA_PATH: a toolkit, looked into for NVRTC
  std::string hub_endpoint;    // HF_ENDPOINT, without a slash at the end; empty: the default
  std::string hub_token;       // HF_TOKEN
  std::string notify_socket;   // NOTIFY_SOCKET, of a service manager that wants to know
  std::string cuda_library;    // BITNETC_LIBCUDA=FILE  of the NVIDIA driver; empty: libcuda.so.1
  std::optional<std::string> cuda_visible_devices;  // CUDA_VISIBLE_DEVICES, which the driver reads
};

// Options::cache_dir; what the library of the C API reads of the environment.
std::string default_cache_dir();

// The value of one setting, for `bitnetc doctor`.
struct OptionValue {
  std::string name, value, meaning;
};

// Reads the environment. A malformed value is an error that names the variable, the value and what
// was expected.
Result<Options> read_options();

std::vector<OptionValue> describe_options(const Options& options);

}  // namespace bitnetc
