// The devices that models run on, by the names that users give them.
#pragma once

#include <memory>
#include <string>

#include "runtime/gpu_device.h"
#include "runtime/gpu_driver.h"

namespace bitnetc {

// "cpu", which is none of these: null; "cuda" or "cuda:1", a GPU by its number; "emulated" or
// "emulated:sm_80", a GPU that the CPU plays, slowly, to check kernels.
// Error: kInvalidArgument naming the text and the forms that were expected; else as open_gpu().
Result<std::shared_ptr<GpuDevice>> open_device(const std::string& name,
                                               const GpuDriverSettings& driver);

}  // namespace bitnetc
