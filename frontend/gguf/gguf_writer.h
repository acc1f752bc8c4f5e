// Writes a GGUF file (version 3) from front to back: values and tensors are announced, then the
// bytes of the tensors follow in the same order. Nothing but the header is kept in memory. Used by
// one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/gguf/gguf_value.h"
#include "frontend/gguf/tensor_types/tensor_type.h"
#include "runtime/output_file.h"
#include "runtime/status.h"

namespace bitnetc {

class GgufWriter {
 public:
  // Error: as OutputFile::create().
  static Result<std::unique_ptr<GgufWriter>> create(const std::string& path);

  // Each key once.
  void add_u32(std::string_view key, uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_text(std::string_view key, std::string_view value);
  void add_texts(std::string_view key, std::span<const std::string> values);
  void add_i32s(std::string_view key, std::span<const int32_t> values);
  void add_f32s(std::string_view key, std::span<const float> values);
  // `extents` contiguous first, such as the type can store.
  void announce(const std::string& name, const gguf::TensorType& type,
                std::span<const int64_t> extents);

  // After the last announcement.
  Status write_header();
  // The next bytes of the tensors; a call stays within one. Error: kIoError naming the path.
  Status write(std::span<const uint8_t> bytes);
  // When every announced byte is written: syncs and renames into place.
  Status finish();
  int64_t bytes_written() const { return bytes_written_; }

 private:
  explicit GgufWriter(std::unique_ptr<OutputFile> file) : file_(std::move(file)) {}
  void add_key(std::string_view key, GgufValueType type);
  void add_array(std::string_view key, GgufValueType element, size_t count);
  Status pad();

  std::unique_ptr<OutputFile> file_;
  std::string values_, tensors_;  // the header's two parts
  uint64_t value_count_ = 0;
  std::vector<uint64_t> sizes_;  // of the announced tensors
  uint64_t next_offset_ = 0;
  size_t current_ = 0;
  uint64_t written_of_current_ = 0;
  int64_t bytes_written_ = 0;
};

}  // namespace bitnetc
