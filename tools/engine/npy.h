// NumPy's .npy format, version 1.0: a one-dimensional little-endian float32 array.
#pragma once

#include <span>
#include <string>

#include "runtime/status.h"

namespace bitnetc {

Status write_npy(const std::string& path, std::span<const float> values);

}  // namespace bitnetc
