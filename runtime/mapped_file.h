// A file as bytes in memory, given back by its owner. Shared by everything that points into it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/status.h"

namespace bitnetc {

class MappedFile {
 public:
  // Maps the whole file. An empty file maps to an empty span. Error: kNotFound, kIoError, naming the path.
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  // Reads the whole file into memory of its own, in huge pages as far as the system has them: reading such memory
  // costs fewer address translations, and this once costs a copy. Read by `threads` threads.
  // Error: as open(); kOutOfMemory.
  static Result<std::shared_ptr<const MappedFile>> read(const std::string& path, int threads);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const uint8_t> bytes() const { return bytes_; }
  // Says that `part` of bytes() is not needed for now: whole pages of it leave this process's resident memory and
  // are read again when touched. Keeps the memory of a pass over a large file small. Not for what was read().
  void forget(std::span<const uint8_t> part) const;

 private:
  // What munmap() takes; the bytes may begin later.
  struct Mapping {
    void* address = nullptr;
    size_t size_bytes = 0;
    bool is_copy = false;
  };
  MappedFile(std::string path, std::span<const uint8_t> bytes, Mapping mapping)
      : path_(std::move(path)), bytes_(bytes), mapping_(mapping) {}
  std::string path_;
  std::span<const uint8_t> bytes_;
  Mapping mapping_;
};

}  // namespace bitnetc
