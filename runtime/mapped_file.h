// A file mapped read-only, unmapped by its owner. Shared by everything that points into it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/status.h"

namespace bitnetc {

class MappedFile {
 public:
  // Maps the whole file. An empty file maps to an empty span. Error: kNotFound, kIoError, naming
  // the path as printable_path() shows it.
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const uint8_t> bytes() const { return {data_, size_bytes_}; }
  // Says that `part` of bytes() is not needed for now: whole pages of it leave this process's
  // resident memory and are read again when touched. Keeps the memory of a pass over a large file
  // small.
  void forget(std::span<const uint8_t> part) const;

 private:
  MappedFile(std::string path, const uint8_t* data, size_t size_bytes)
      : path_(std::move(path)), data_(data), size_bytes_(size_bytes) {}
  std::string path_;
  const uint8_t* data_;
  size_t size_bytes_;
};

// Bytes of whole pages of a mapping that are in memory, whoever brought them there; 0 where the
// system does not say.
int64_t resident_bytes(std::span<const uint8_t> mapped);

}  // namespace bitnetc
