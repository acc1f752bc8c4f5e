#include "frontend/safetensors/safetensors_writer.h"

#include <nlohmann/json.hpp>

#include "runtime/rounding.h"

namespace bitnetc {
namespace {

int64_t element_bytes(const std::string& dtype) {
  if (dtype == "U8") return 1;
  if (dtype == "BF16" || dtype == "F16") return 2;
  BITNETC_CHECK(dtype == "F32", "dtype {}", dtype);
  return 4;
}

}  // namespace

int64_t TensorHeader::bytes() const {
  int64_t total = element_bytes(dtype);
  for (const int64_t extent : shape) total *= extent;
  return total;
}

Result<SafetensorsWriter> SafetensorsWriter::begin(OutputFile& file,
                                                   std::span<const TensorHeader> tensors) {
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (const TensorHeader& tensor : tensors) {
    const int64_t end = offset + tensor.bytes();
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  constexpr size_t kAlignment = 8;  // of the first tensor
  text.resize(round_up(text.size(), kAlignment), ' ');
  std::string length(sizeof(uint64_t), '\0');
  for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<char>(text.size() >> (8 * i));
  BITNETC_RETURN_IF_ERROR(file.write(length));
  BITNETC_RETURN_IF_ERROR(file.write(text));
  return SafetensorsWriter(file, offset);
}

Status SafetensorsWriter::write(std::span<const uint8_t> bytes) {
  left_bytes_ -= static_cast<int64_t>(bytes.size());
  BITNETC_CHECK(left_bytes_ >= 0, "{} bytes more than the header says", -left_bytes_);
  return file_->write(bytes);
}

void SafetensorsWriter::finish() const {
  BITNETC_CHECK(left_bytes_ == 0, "{} bytes less than the header says", left_bytes_);
}

}  // namespace bitnetc
