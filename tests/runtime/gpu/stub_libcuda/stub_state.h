// What a test sets and sees of the imitation of the NVIDIA driver (stub_libcuda.cpp).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace bitnetc {

struct StubLaunch {
  std::string kernel;
  unsigned blocks_x = 0, blocks_y = 0, threads = 0, shared_bytes = 0;
  bool cooperative = false;
  std::vector<std::byte> parameter;  // of a cooperative launch, 8 bytes
};

struct StubState {
  // What the driver says of itself and of its GPUs.
  int cuda_version = 13000;
  int init_result = 0;
  int retain_result = 0;
  int devices = 1;
  int sm = 90;
  size_t memory_bytes = 1 << 20;
  int function_max_threads = 1024;
  int function_shared_bytes = 1024;
  int blocks_per_multiprocessor = 2;

  // What fails, as codes of the driver; 0: nothing.
  int launch_result = 0;  // of the call
  int fault = 0;          // of the next kernel that runs: every call fails with it from then on
  int cubin_result = 0;   // of loading what does not begin with ".version"
  int ptx_result = 0;
  std::string ptx_log;

  // What a kernel does.
  std::function<void(const StubLaunch&)> on_launch;

  // What happened.
  std::vector<StubLaunch> launches;
  std::vector<std::string> images;  // that were loaded
  int sticky = 0;
  size_t used_bytes = 0;
  int dynamic_shared_bytes = 0;  // that functions were allowed
  bool is_loss_told = false;
  int calls_after_loss = 0;  // after it was told
  // Objects that are there: contexts, memory, streams, events, graphs, modules.
  int contexts = 0, memory = 0, streams = 0, events = 0, graphs = 0, modules = 0;
};

}  // namespace bitnetc

// The state of a loaded stub, found by name.
extern "C" bitnetc::StubState* stub_libcuda_state();
