// Writes a .safetensors file from front to back: tensors are announced, then their bytes follow in
// the same order. Nothing but the header is kept in memory. Used by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/output_file.h"
#include "runtime/status.h"

namespace bitnetc {

class SafetensorsWriter {
 public:
  // Error: as OutputFile::create().
  static Result<std::unique_ptr<SafetensorsWriter>> create(const std::string& path);

  // `dtype` as the format spells it ("BF16"); `bytes`: how many the tensor has.
  void announce(const std::string& name, std::string_view dtype, std::span<const int64_t> shape,
                int64_t bytes);
  // After the last announcement.
  Status write_header();
  // The next bytes of the tensors. Error: kIoError naming the path.
  Status write(std::span<const uint8_t> bytes);
  // When every announced byte is written: syncs and renames into place.
  Status finish();
  int64_t bytes_written() const { return bytes_written_; }

 private:
  explicit SafetensorsWriter(std::unique_ptr<OutputFile> file) : file_(std::move(file)) {}

  std::unique_ptr<OutputFile> file_;
  std::string header_ = R"({"__metadata__":{"format":"pt"})";
  int64_t announced_ = 0, data_ = 0, bytes_written_ = 0;
};

}  // namespace bitnetc
