// Generated machine code on disk, for back-ends whose generation takes longer than reading a file:
// one entry a kernel in the folder "kernels" of the cache directory (runtime/cache_directory.h),
// named by the digest of all that the code depends on. Nothing fails because of it: what cannot be
// read is a miss, what cannot be written is not kept, and either is noted once (NoteKind::kCache).
// Code from here is as little trusted as fresh code: it passes the same start-up proof.
// Thread-safe; several processes may use one folder.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "runtime/notes.h"
#include "runtime/status.h"

namespace bitnetc {

// All that the bytes of a kernel depend on. No path, time stamp or environment.
struct KernelStoreKey {
  std::string generator;
  int revision = 0;       // of the generator
  std::string kernel;     // full name
  std::string target;     // CPU and features the code is made for
  std::string toolchain;  // "LLVM 19.1.7"

  std::string text() const;    // one line
  std::string digest() const;  // the entry's file name: XXH3-128 of text()
};

// An entry as it lies on disk.
struct StoredKernel {
  std::string file;
  std::string key;      // KernelStoreKey::text; empty where it cannot be read
  std::string problem;  // why it is a miss; empty: nothing
  int64_t size_bytes = 0;
  int64_t used_ns = 0;  // since the epoch
};

class KernelStore {
 public:
  static constexpr int64_t kLimitBytes = int64_t{256} << 20;

  // `cache_dir`: empty where there is none. `notes` must outlive the store. Beyond `limit_bytes`
  // the entries that were not used for longest go.
  KernelStore(std::string cache_dir, Notes& notes, int64_t limit_bytes = kLimitBytes)
      : cache_dir_(std::move(cache_dir)), notes_(notes), limit_bytes_(limit_bytes) {}

  // What put() was given for this key, by this store or another.
  std::optional<std::vector<uint8_t>> find(const KernelStoreKey& key);
  void put(const KernelStoreKey& key, std::span<const uint8_t> code);
  // Removes what this store found or put under a kernel name that then failed its proof. Whether
  // anything of it was found, so that fresh code may be better.
  bool disown(const std::string& kernel);
  int64_t hits() const;  // of find(), without those disowned

  // By name. Error: kNotFound or kIoError where there is no folder to look into.
  Result<std::vector<StoredKernel>> entries() const;

 private:
  struct Handled {
    std::string file;
    bool found;  // else put
  };

  void trim(const std::string& newest);
  void note_once(const std::string& text);

  const std::string cache_dir_;
  Notes& notes_;
  const int64_t limit_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  std::set<std::string> noted_;
  std::multimap<std::string, Handled> handled_;  // by kernel name
};

}  // namespace bitnetc
