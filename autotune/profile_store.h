// Profiles on disk: profiles/<fingerprint>.profile in the cache directory, one per machine. Written atomically, merged
// under a lock with what another process wrote meanwhile. Without a usable cache directory everything works and nothing
// is remembered.
#pragma once

#include <string>
#include <vector>

#include "autotune/profile.h"
#include "runtime/status.h"

namespace bitnetc {

struct LoadedProfile {
  Profile profile;                    // empty where there is none yet, or none that can be used
  std::vector<std::string> problems;  // one line each: what was left out, why, and what to do
};

class ProfileStore {
 public:
  // For the machine with this fingerprint. `machine` in words, for the head of the file.
  ProfileStore(std::string fingerprint, std::string machine);

  LoadedProfile load() const;
  // Adds entries to what is on disk now. Error: kIoError, kNotFound (no cache directory), with the remedy.
  Status add(const std::vector<ProfileEntry>& entries) const;
  // Path of the file, whether it is there or not; empty without a cache directory.
  std::string path() const;

  // Writes the profile to a file of the user's choice, or reads one made on an equal machine. Import refuses another
  // fingerprint (kUnsupported, naming both machines), drops what does not validate (a line each in `problems`) and
  // keeps what was measured here where it is newer. A profile names generators and plans and carries no code.
  Status export_to(const std::string& file) const;
  Result<int64_t> import_from(const std::string& file, std::vector<std::string>& problems) const;

 private:
  std::string fingerprint_, machine_;
};

}  // namespace bitnetc
