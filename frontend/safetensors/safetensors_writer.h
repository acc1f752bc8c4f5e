// Writes a .safetensors file as a stream: what it holds is said first, then the bytes of each
// tensor follow in that order. Memory does not grow with the tensors.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/output_file.h"
#include "runtime/status.h"

namespace bitnetc {

struct TensorHeader {
  std::string name;
  std::string dtype;  // "BF16", "F16", "F32" or "U8"
  std::vector<int64_t> shape;

  int64_t bytes() const;
};

class SafetensorsWriter {
 public:
  // Writes the header. `file` outlives the writer, whose caller finishes it.
  static Result<SafetensorsWriter> begin(OutputFile& file, std::span<const TensorHeader> tensors);

  // The next bytes of the tensors. Error: kIoError.
  Status write(std::span<const uint8_t> bytes);
  // Checks that all of them were written.
  void finish() const;

 private:
  SafetensorsWriter(OutputFile& file, int64_t bytes) : file_(&file), left_bytes_(bytes) {}

  OutputFile* file_;
  int64_t left_bytes_;
};

}  // namespace bitnetc
