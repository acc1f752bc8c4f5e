// Files that are being written under a name of their own until they are whole. Their writer holds a
// lock (flock) that the system releases when it dies, however it dies: a temporary file that nobody
// has locked is abandoned and may be removed. Process numbers say nothing here, containers use them
// again within seconds.
#pragma once

#include <string>
#include <string_view>

#include "runtime/file_descriptor.h"
#include "runtime/status.h"

namespace bitnetc {

struct TemporaryFile {
  std::string name;  // "model.bnc.tmp-3f2a90c1d4b5e687"
  FileDescriptor fd;
};

// A new, empty, locked file in the open folder for what will be called `name`.
// Error: kIoError with the system's reason, without a path.
Result<TemporaryFile> create_temporary(int folder, const std::string& name, int mode);

bool is_temporary_name(std::string_view name);
// Whether `name` in the open folder is a temporary file of this user whose writer is gone.
bool is_abandoned(int folder, const std::string& name);
// Removes the abandoned temporary files of an open folder that were to become `name`. What cannot
// be removed stays.
void remove_abandoned(int folder, std::string_view name);

}  // namespace bitnetc
