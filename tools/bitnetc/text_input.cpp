#include "tools/bitnetc/text_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/file_descriptor.h"
#include "tools/bitnetc/console.h"

namespace bitnetc {
namespace {

constexpr size_t kMostBytes = size_t{64} << 20;

Status refused(const std::string& path, const char* action, int error) {
  const bool is_missing = error == ENOENT || error == ENOTDIR;
  return make_error(is_missing ? StatusCode::kNotFound : StatusCode::kIoError, "{}: cannot {}: {}",
                    path, action, std::strerror(error));
}

Result<std::string> read_all(int fd, const std::string& name) {
  std::string text;
  char block[1 << 16];
  for (;;) {
    const ssize_t count = ::read(fd, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return refused(name, "read", errno);
    if (interrupted()) return Status(StatusCode::kCancelled, "interrupted");
    if (count == 0) return text;
    text.append(block, static_cast<size_t>(count));
    if (text.size() > kMostBytes)
      return make_error(StatusCode::kUnsupported,
                        "{}: more than {} MiB of text, which is the limit", name, kMostBytes >> 20);
  }
}

std::string without_file_marks(std::string text, const TextInput& input) {
  text = without_byte_order_mark(std::move(text));
  if (!input.keep_newline && text.ends_with('\n')) {
    text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
  }
  if (text.find("\r\n") != text.npos)
    print_note("the lines of the text end in CRLF; the carriage returns are part of it");
  return text;
}

}  // namespace

std::string without_byte_order_mark(std::string text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) {
    text.erase(0, kByteOrderMark.size());
    print_note("the byte order mark at the beginning of the text is left out");
  }
  return text;
}

Result<std::string> read_text(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, "stdin");
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return refused(path, "open", errno);
  struct stat info = {};
  if (::fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode))
    return make_error(StatusCode::kUnsupported, "{}: is a folder, expected a file with text", path);
  return read_all(fd.get(), path);
}

Result<std::string> resolve_text(const TextInput& input, const char* what) {
  if (input.text && !input.file.empty())
    return make_error(StatusCode::kInvalidArgument,
                      "-p and -f both give the {}; expected one of them", what);
  if (input.text) return *input.text;
  if (input.file.empty() && ::isatty(STDIN_FILENO) == 1)
    return make_error(StatusCode::kInvalidArgument,
                      "no {}: give it with -p TEXT, with -f FILE, or through a pipe", what);
  BITNETC_ASSIGN_OR_RETURN(std::string text, read_text(input.file.empty() ? "-" : input.file));
  return without_file_marks(std::move(text), input);
}

}  // namespace bitnetc
