// NumPy's .npy format, version 1.0: a one-dimensional little-endian float32 array.
#pragma once

#include <span>

#include "runtime/output_file.h"
#include "runtime/status.h"

namespace bitnetc {

// Error: as OutputFile::write() and finish().
Status write_npy(OutputFile& file, std::span<const float> values);

}  // namespace bitnetc
