// Files that an option of a command names as its output (--html, --logits, --export).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/notes.h"
#include "runtime/output_file.h"
#include "runtime/status.h"

namespace bitnetc {

class CommandContext;

// Opened before the work for it begins; null where `path` is empty, for the option was not given.
// A note says that a pipe has no reader yet, and Ctrl-C ends the wait for one. Error: as
// OutputFile::create().
Result<std::unique_ptr<OutputFile>> open_output(const std::string& path, Notes& notes);

// The same for a command that reads `model` and `other_inputs`, none of whose files `path` may be;
// what is no model has no files. Error: also kInvalidArgument naming `option` and the file.
Result<std::unique_ptr<OutputFile>> open_output_apart(const char* option, const std::string& path,
                                                      const std::string& model,
                                                      std::vector<std::string> other_inputs,
                                                      CommandContext& context);

}  // namespace bitnetc
