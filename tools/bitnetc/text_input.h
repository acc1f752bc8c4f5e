// Text that a command is given: on the command line, in a file, or through a pipe.
#pragma once

#include <optional>
#include <string>

#include "runtime/status.h"

namespace bitnetc {

// The whole of a file, or of stdin for "-". Error: kNotFound, kIoError; kUnsupported for a folder
// and for more than 64 MiB; kCancelled by Ctrl-C.
Result<std::string> read_text(const std::string& path);

// A note says when there was one.
std::string without_byte_order_mark(std::string text);

struct TextInput {
  std::optional<std::string> text;  // -p
  std::string file;                 // -f
  bool keep_newline = false;        // --keep-newline
};

// `text` if given, else `file`, else stdin when it is no terminal. From a file or a pipe come
// neither the byte order mark it may begin with nor, unless it is kept, one newline (or CRLF) at
// its end: what `echo` writes is what was meant. Other CRLF are left as they are, with a note.
// Error: as read_text(); kInvalidArgument without any of the three, or with two.
Result<std::string> resolve_text(const TextInput& input, const char* what);

}  // namespace bitnetc
