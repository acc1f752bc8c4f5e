// Any bytes as a .safetensors file. What the reader accepts is read to the last byte and must cover
// the data exactly.
#include <cstddef>
#include <cstdint>

#include "frontend/safetensors/safetensors_file.h"
#include "runtime/status.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = bitnetc::SafetensorsFile::parse({data, size}, "fuzz");
  if (!file.ok()) {
    BITNETC_CHECK(!file.status().message().empty(), "a failure without a message");
    return 0;
  }
  size_t covered = 0;
  unsigned sum = 0;
  for (const bitnetc::StoredTensor& tensor : file->tensors()) {
    covered += tensor.bytes.size();
    for (uint8_t byte : tensor.bytes) sum += byte;
    BITNETC_CHECK(file->find(tensor.name) == &tensor, "{} is not found by name", tensor.label());
  }
  BITNETC_CHECK(covered < size && sum <= 255 * covered, "{} bytes of {} covered", covered, size);
  return 0;
}
