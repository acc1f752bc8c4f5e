// Files that exist only until they are complete, for a process that is ended in the middle of one.
//
// Whoever writes a file under a temporary name holds a TemporaryFileName until it is renamed or
// removed. A signal handler that ends the process calls remove_temporary_files(). Any thread may do
// both.
#pragma once

#include <string>

namespace bitnetc {

class TemporaryFileName {
 public:
  // `path` is not resolved: the process keeps its working folder. Beyond 32 names at a time, and
  // for a path of more than 4095 bytes, nothing is remembered.
  explicit TemporaryFileName(const std::string& path);
  ~TemporaryFileName();
  TemporaryFileName(const TemporaryFileName&) = delete;
  TemporaryFileName& operator=(const TemporaryFileName&) = delete;

 private:
  int slot_ = -1;
};

// Removes the files of every name that is held. Async-signal-safe.
void remove_temporary_files() noexcept;

}  // namespace bitnetc
