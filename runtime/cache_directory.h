// A folder under the cache directory that several processes may use at once and that nobody else can plant files in.
// It belongs to this user and only this user may write to it (0700); symlinks are not followed, foreign files not
// read. Nothing may fail because of a cache: callers treat an error as "not cached" and say so where it matters.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/status.h"

namespace bitnetc {

struct CacheFile {
  std::string name;
  int64_t size_bytes = 0;
  int64_t used_ns = 0;  // when it was last read or written, since the epoch
};

class CacheDirectory {
 public:
  // `name`: of the folder inside options().cache_dir, which is made as needed. Error: kNotFound without a cache
  // directory; kIoError saying which folder cannot be used, why (not a folder, a symlink, another owner, writable by
  // others, read-only) and what to do.
  static Result<CacheDirectory> open(const std::string& name);

  CacheDirectory(CacheDirectory&&) noexcept;
  CacheDirectory& operator=(CacheDirectory&&) noexcept;
  ~CacheDirectory();

  const std::string& path() const;

  // Nothing: no such file. Error: kIoError for what is not a plain file of this user or is larger than `most_bytes`.
  // Counts as a use of the file.
  Result<std::optional<std::vector<uint8_t>>> read(const std::string& name,
                                                   int64_t most_bytes) const;
  // All or nothing: temporary file, fsync, rename. Error: kIoError (no space, read-only ...); then what was there
  // before is still there and the temporary file is gone.
  Status publish(const std::string& name, std::span<const uint8_t> bytes) const;
  Status remove(const std::string& name) const;
  // Plain files of this user, by name. Temporary files that a killed process left behind are removed.
  Result<std::vector<CacheFile>> list() const;

  // Held while a file is read, changed and published again, so that two processes do not lose each other's changes.
  // Released by the destructor, and by the system if the process dies.
  class Lock {
   public:
    Lock(Lock&&) noexcept;
    Lock& operator=(Lock&&) noexcept;
    ~Lock();

   private:
    friend class CacheDirectory;
    explicit Lock(int fd) : fd_(fd) {}
    int fd_;
  };
  Result<Lock> lock() const;

 private:
  CacheDirectory(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_;
};

}  // namespace bitnetc
