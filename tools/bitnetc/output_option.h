// Files that an option of a command names as its output (--html, --logits, --export).
#pragma once

#include <memory>
#include <string>

#include "runtime/notes.h"
#include "runtime/output_file.h"
#include "runtime/status.h"

namespace bitnetc {

// Opened before the work for it begins; null where `path` is empty, for the option was not given.
// A note says that a pipe has no reader yet, and Ctrl-C ends the wait for one. Error: as
// OutputFile::create().
Result<std::unique_ptr<OutputFile>> open_output(const std::string& path, Notes& notes);

}  // namespace bitnetc
