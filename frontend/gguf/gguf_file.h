// One .gguf file, mapped and checked: metadata and where each tensor lies. Opening it proves that
// every count, length and offset stays inside the file; no memory is taken for what a count claims
// before the file is known to hold it. What a tensor's type means is said elsewhere
// (tensor_types/). Immutable once opened: any thread may read it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/gguf/gguf_value.h"
#include "runtime/mapped_file.h"
#include "runtime/status.h"

namespace bitnetc {

inline constexpr uint32_t kGgufVersion = 3;  // version 2 is laid out alike and is read too
inline constexpr uint64_t kGgufDefaultAlignment = 32;
inline constexpr size_t kGgufMaxDimensions = 4;
inline constexpr size_t kGgufMaxTensorNameBytes = 64;

// A tensor where it lies in its file. The bytes may be unaligned for their type: copy them, never
// cast.
struct GgufTensor {
  std::string name;               // valid UTF-8 without NUL; may hold control characters
  uint32_t type_id = 0;           // as the file has it; several types may share a number
  std::vector<int64_t> extents;   // 1 to 4, each at least 1; extents[0] is contiguous
  int64_t elements = 0;           // their product
  std::span<const uint8_t> room;  // from its offset to the next tensor's, padding included
  bool is_last = false;           // nothing of the file says where its room ends
  uint64_t alignment = kGgufDefaultAlignment;
  std::string origin;                      // path of its file, printable
  std::shared_ptr<const MappedFile> file;  // keeps room alive; null when parsed from memory

  int64_t columns() const { return extents[0]; }
  int64_t rows() const { return elements / extents[0]; }
  // "model.gguf: tensor blk.0.attn_q.weight", the opening of every message about it.
  std::string label() const;
  // Lets go of the mapped pages after a pass over them.
  void forget() const {
    if (file) file->forget(room);
  }
};

std::string extents_text(std::span<const int64_t> extents);  // "[256, 640]", as the file orders

class GgufFile {
 public:
  // Error: kNotFound / kIoError from the mapping; kUnsupported for a version or byte order that is
  // not read; else kDataCorrupt, naming the file, the key or tensor, what was found and what was
  // expected.
  static Result<GgufFile> open(const std::string& path);
  static Result<GgufFile> open(const std::shared_ptr<const MappedFile>& file);
  // The same over bytes in memory, which the caller keeps alive. `origin` opens the messages.
  static Result<GgufFile> parse(std::span<const uint8_t> bytes, std::string origin);

  const std::string& origin() const { return origin_; }
  // Keys are valid UTF-8 without NUL; they may hold control characters.
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  const GgufValue* find_value(std::string_view key) const;             // null when absent
  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // in order of their offsets

 private:
  friend class GgufHeaderReader;
  GgufFile() = default;
  static Result<GgufFile> parse(std::span<const uint8_t> bytes, std::string origin,
                                std::shared_ptr<const MappedFile> file);

  std::string origin_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
};

// Whether the file at `path` begins like a GGUF file.
bool begins_like_gguf(const std::string& path);

}  // namespace bitnetc
