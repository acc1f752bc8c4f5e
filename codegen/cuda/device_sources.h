// The device code of this build (codegen/cuda/kernels/ and what it includes), embedded as text:
// what kernels are compiled with, under the names that #include knows. tools/embed_files.cmake
// makes the table.
#pragma once

#include <span>

#include "codegen/cuda/nvrtc_compiler.h"

namespace bitnetc::cuda {

std::span<const DeviceSource> device_sources();

}  // namespace bitnetc::cuda
