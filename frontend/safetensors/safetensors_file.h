// One .safetensors file, mapped and checked. Opening it proves the whole header: every tensor's
// bytes lie inside the file, none overlap and nothing is left over. Immutable once opened: any
// thread may read it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/mapped_file.h"
#include "runtime/status.h"

namespace bitnetc {

enum class TensorType {
  kF64,
  kF32,
  kF16,
  kBf16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kF8E4M3,
  kF8E5M2,
  kOther,  // a type this build does not know: its elements cannot be read
};

// A tensor where it lies in its file. The bytes may be unaligned for their type: copy them, never
// cast.
struct StoredTensor {
  std::string name;
  TensorType type = TensorType::kU8;
  std::string dtype;               // the type as the file spells it: "BF16"
  std::vector<int64_t> shape;      // row-major; empty for a scalar
  int64_t elements = 0;            // product of the shape
  std::span<const uint8_t> bytes;  // elements times the size of one, unless the type is kOther
  std::string origin;              // path of its file, printable
  std::shared_ptr<const MappedFile>
      file;  // keeps bytes alive; null when they were parsed from memory

  // "model/model.safetensors: tensor norm.weight", the opening of every message about it.
  std::string label() const;
  // Lets go of the mapped pages after a pass over them.
  void forget() const {
    if (file) file->forget(bytes);
  }
};

std::string shape_text(std::span<const int64_t> shape);  // "[64, 256]"

class SafetensorsFile {
 public:
  // Error: kNotFound / kIoError from the mapping, kDataCorrupt naming the file, the tensor and the
  // numbers, or what the file is instead (check_is_not_stand_in).
  static Result<SafetensorsFile> open(const std::string& path);
  static Result<SafetensorsFile> open(std::shared_ptr<const MappedFile> file);
  // The same over bytes in memory, which the caller keeps alive. `origin` opens the messages.
  static Result<SafetensorsFile> parse(std::span<const uint8_t> bytes, std::string origin);

  const std::vector<StoredTensor>& tensors() const { return tensors_; }  // in file order
  const StoredTensor* find(std::string_view name) const;                 // null when absent

 private:
  SafetensorsFile() = default;
  static Result<SafetensorsFile> parse(std::span<const uint8_t> bytes, std::string origin,
                                       std::shared_ptr<const MappedFile> file);
  std::vector<StoredTensor> tensors_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace bitnetc
