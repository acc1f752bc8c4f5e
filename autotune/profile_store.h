// Profiles on disk: profiles/<fingerprint>.profile in the cache directory, one per machine. Written
// atomically, merged under a lock with what another process wrote meanwhile. Without a usable cache
// directory everything works and nothing is remembered.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autotune/profile.h"
#include "runtime/status.h"

namespace bitnetc {

class CacheDirectory;
class OutputFile;

struct LoadedProfile {
  Profile profile;                    // empty where there is none yet, or none that can be used
  std::vector<std::string> problems;  // one line each: what was left out, why, and what to do
};

class ProfileStore {
 public:
  struct Owner {
    std::string fingerprint;
    std::string machine;  // in words, for the head of the file
  };
  // `cache_dir`: empty where there is none.
  ProfileStore(std::string cache_dir, Owner owner);

  // What this build can use on this machine (drop_unusable() with machine_target()). What it cannot
  // stays in the file until the same spec is measured again: another build may have its kernels.
  // Without a cache directory nothing, and no problem either.
  LoadedProfile load() const;
  // Adds entries to what is on disk now; an entry replaces the one with its key. Unreadable entries
  // on disk are dropped. Error: kInvalidArgument (validate), kIoError, kNotFound (no
  // cache directory), kUnsupported (a file of another version is there; it is left alone), with the
  // remedy.
  Status add(const std::vector<ProfileEntry>& entries) const;
  // Path of the file, whether it is there or not; empty without a cache directory.
  std::string path() const;

  // Writes the profile to a file of the user's choice and finishes it, or reads one made on an
  // equal machine and returns how many entries came in. Import refuses another fingerprint
  // (kUnsupported, naming both machines), drops what does not read, is not usable here or was
  // measured in the future (a line each in `problems`) and keeps what was measured here where it is
  // newer. A profile names generators and plans and carries no code. Error: as add(); kNotFound
  // where there is nothing to export or import, kIoError, kDataCorrupt.
  Status export_to(OutputFile& file) const;
  Result<int64_t> import_from(const std::string& file, std::vector<std::string>& problems) const;

 private:
  struct OnDisk {
    Profile profile;
    std::string quarrel;  // why nothing of the file counts; empty if it does
  };
  std::string file_name() const { return fingerprint_ + ".profile"; }
  Profile empty_profile() const { return {fingerprint_, machine_, {}}; }
  Result<OnDisk> read(const CacheDirectory& directory, std::vector<std::string>& problems) const;
  Status change(const std::function<void(Profile&)>& change) const;

  std::string cache_dir_, fingerprint_, machine_;
};

}  // namespace bitnetc
