// A folder under the cache directory that several processes may use at once and that nobody else
// can plant files in. It belongs to this user and only this user may write to it; it and its parent
// are real folders, not symlinks (what lies above may be one: people move ~/.cache to another
// disk). Everything is opened relative to the folder checked, symlinks are not followed, foreign
// files not read. Nothing may fail because of a cache: callers treat an error as "not cached" and
// say so where it matters. Any thread may call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/file_descriptor.h"
#include "runtime/status.h"

namespace bitnetc {

struct CacheFile {
  std::string name;
  int64_t size_bytes = 0;
  int64_t used_ns = 0;        // when it was last read or written, since the epoch
  std::string problem;        // why read() would refuse it; empty for a plain file of this user
  bool is_abandoned = false;  // a temporary file that a killed process left behind; a problem too
};

// Whether a file must outlive a loss of power. What its reader can check and anyone can make again
// need not, and is written in microseconds.
enum class Durability { kSynced, kUnsynced };

// Whether reading a file makes it the one used last.
enum class Use { kNone, kCounts };

class CacheDirectory {
 public:
  // The folder `name` inside the cache directory `root`. Both are made (0700) where they are
  // missing. A folder on a read-only disk opens if it exists: what it holds can be used. Error:
  // kNotFound where `root` is empty, for there is no cache directory; kIoError saying which folder
  // cannot be used, why (not a folder, a symlink, another owner, writable by others, cannot be
  // made) and what to do: `variable` of the environment says where it is.
  static Result<CacheDirectory> open(std::string root, const std::string& name,
                                     const char* variable = "XDG_CACHE_HOME");

  const std::string& path() const { return path_; }

  // Nothing: no such file. Error: kIoError for what is not a plain file of this user, may be
  // written by others, or is larger than `most_bytes`.
  Result<std::optional<std::vector<uint8_t>>> read(const std::string& name, int64_t most_bytes,
                                                   Use use = Use::kCounts) const;
  // Counts as a use of a file that was not read through read(). Nothing happens where it cannot be
  // marked.
  void touch(const std::string& name) const;
  // All or nothing: temporary file, fsync, rename. Error: kIoError (no space, read-only ...); then
  // what was there before is still there and the temporary file is gone. Takes the place of
  // whatever had the name, except a folder.
  Status publish(const std::string& name, std::span<const uint8_t> bytes,
                 Durability durability = Durability::kSynced) const;
  // A file that is not there is no error. Takes the names of abandoned files, too.
  Status remove(const std::string& name) const;
  // What has a name that read() and publish() take, by name; with a problem where it is not a plain
  // file of this user. Among them are temporary files whose writer is gone; those that are being
  // written are left out.
  Result<std::vector<CacheFile>> list() const;
  // Removes temporary files whose writer is gone. What cannot be removed stays, and list() shows
  // it.
  void remove_abandoned() const;

  // Held while a file is read, changed and published again, so that two processes do not lose each
  // other's changes. Released by the destructor, and by the system if the process dies.
  class Lock {
   private:
    friend class CacheDirectory;
    explicit Lock(FileDescriptor fd) : fd_(std::move(fd)) {}
    FileDescriptor fd_;
  };
  // Error: kIoError where another process keeps the lock for two seconds, or the folder is
  // read-only.
  Result<Lock> lock() const;

 private:
  CacheDirectory(std::string path, FileDescriptor fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  FileDescriptor fd_;
};

// Whether `name` is that of a file in a CacheDirectory: no path, not hidden, not temporary.
bool is_cache_file_name(std::string_view name);

}  // namespace bitnetc
