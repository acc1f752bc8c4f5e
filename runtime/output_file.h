// A file that a user named as the output of something. A regular file, or a name that is free, is
// written beside its place under a temporary name and renamed at the end: what was there before
// survives a failure, and a reader never sees half of it. A symbolic link stays, the file that it
// leads to is replaced. A device, a pipe or a socket is never replaced but written to; a pipe that
// nobody reads yet is waited for. Without
// finish() the temporary file is removed; one that a killed process left beside the same output is
// removed by the next create(). Used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/cancel_token.h"
#include "runtime/file_descriptor.h"
#include "runtime/notes.h"
#include "runtime/status.h"
#include "runtime/temporary_files.h"

namespace bitnetc {

// What becomes of an output that has to be waited for.
struct OutputWait {
  Notes* notes = &no_notes();  // hear once (NoteKind::kWaiting) that a pipe has no reader
  const CancelToken* cancel = nullptr;
};

class OutputFile {
 public:
  // What the caller can write to: anything, or only what can be written out of order and replaced.
  enum class Accepts { kAnything, kRegularFile };

  // Opens `path` before the work for it begins. A file that is replaced keeps its permissions.
  // Error: kIoError naming `path` with the system's reason; kInvalidArgument where it is "-", a
  // folder, or no regular file and only those are accepted; kCancelled while it is waited for.
  static Result<std::unique_ptr<OutputFile>> create(const std::string& path,
                                                    Accepts accepts = Accepts::kAnything,
                                                    const OutputWait& wait = {});
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Error: kIoError naming the path: no space, a limit on file sizes, a pipe that nobody reads.
  Status write(std::span<const uint8_t> bytes);
  Status write(std::string_view text);
  // Goes back to the first byte. Only where regular files alone are accepted.
  Status rewind();
  // Syncs and renames into place.
  Status finish();

 private:
  OutputFile() = default;
  Status open_temporary();
  Status open_pipe(const OutputWait& wait);
  Status refused(const char* action) const;

  std::string path_;                       // as the user named it
  std::string target_;                     // with the links of its last part followed
  std::string temporary_;                  // name in folder_; empty when written in place
  std::optional<TemporaryFileName> held_;  // while temporary_ is there
  FileDescriptor folder_, file_;
};

// Error: kInvalidArgument where `output` is one of `inputs`, under whatever name or link. `option`:
// that named it, for the message ("-o").
Status check_not_an_input(const char* option, const std::string& output,
                          const std::vector<std::string>& inputs);

}  // namespace bitnetc
