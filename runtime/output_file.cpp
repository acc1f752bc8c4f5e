#include "runtime/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "runtime/temporary_file.h"

namespace bitnetc {
namespace {

namespace fs = std::filesystem;

// /dev/stdout and /dev/fd/3 lead here: an open file of this process, whatever it was called.
bool is_open_file(const std::string& path) {
  return path.starts_with("/proc/") || path.starts_with("/dev/fd/");
}

// Where `path` leads when the links of its last part are followed; the file need not be there.
Result<std::string> follow_links(const std::string& path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  fs::path at = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    std::error_code error;
    if (is_open_file(at) || !fs::is_symlink(at, error)) return at.string();
    const fs::path to = fs::read_symlink(at, error);
    if (error)
      return make_error(StatusCode::kIoError, "{}: cannot read the link: {}", path,
                        error.message());
    at = to.is_absolute() ? to : at.parent_path() / to;
  }
  return make_error(StatusCode::kIoError, "{}: {}", path, std::strerror(ELOOP));
}

}  // namespace

Status OutputFile::refused(const char* action) const {
  return make_error(StatusCode::kIoError, "{}: cannot {}: {}", path_, action, std::strerror(errno));
}

Status OutputFile::open_temporary() {
  constexpr int kMode = 0644;  // before the umask
  const fs::path target = target_;
  const std::string folder = target.has_parent_path() ? target.parent_path().string() : ".";
  folder_ = FileDescriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_.is_open()) return refused("create");
  const std::string name = target.filename().string();
  remove_abandoned(folder_.get(), name);
  auto temporary = create_temporary(folder_.get(), name, kMode);
  if (!temporary.ok()) return temporary.status().with_context(path_);
  temporary_ = std::move(temporary->name);
  file_ = std::move(temporary->fd);
  held_.emplace(folder + "/" + temporary_);
  return {};
}

// Opens a pipe once it has a reader.
Status OutputFile::open_pipe(const OutputWait& wait) {
  constexpr std::chrono::milliseconds kPause(20);
  bool is_noted = false;
  while (true) {
    file_ = FileDescriptor(::open(target_.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
    if (file_.is_open()) break;
    if (errno == EINTR) continue;
    if (errno != ENXIO) return refused("open");  // ENXIO: nobody reads
    if (is_cancelled(wait.cancel))
      return make_error(StatusCode::kCancelled, "{}: stopped while waiting for a reader", path_);
    if (!is_noted)
      wait.notes->note(NoteKind::kWaiting,
                       fmt::format("{} is a pipe; waiting for a reader", path_));
    is_noted = true;
    std::this_thread::sleep_for(kPause);
  }
  return ::fcntl(file_.get(), F_SETFL, 0) == 0 ? Status() : refused("open");
}

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path, Accepts accepts,
                                                       const OutputWait& wait) {
  if (path == "-")
    return make_error(StatusCode::kInvalidArgument,
                      "-: this output does not go to stdout, expected a path (./- for a file of "
                      "that name)");
  std::unique_ptr<OutputFile> output(new OutputFile);
  output->path_ = path;
  BITNETC_ASSIGN_OR_RETURN(output->target_, follow_links(path));
  struct stat info = {};
  const bool exists = ::stat(output->target_.c_str(), &info) == 0;
  if (!exists && errno != ENOENT) return output->refused("create");
  if (exists && S_ISDIR(info.st_mode))
    return make_error(StatusCode::kInvalidArgument, "{}: is a folder, expected a file", path);
  if (exists && (!S_ISREG(info.st_mode) || is_open_file(output->target_))) {
    if (accepts == Accepts::kRegularFile)
      return make_error(StatusCode::kInvalidArgument,
                        "{}: is a device or a pipe, expected a regular file or a new name", path);
    if (S_ISFIFO(info.st_mode)) {
      BITNETC_RETURN_IF_ERROR(output->open_pipe(wait));
      return output;
    }
    output->file_ = FileDescriptor(::open(output->target_.c_str(), O_WRONLY | O_CLOEXEC));
    if (!output->file_.is_open()) return output->refused("open");
    return output;
  }
  // Renaming over a file that may not be written would be a way around its permissions.
  if (exists && ::access(output->target_.c_str(), W_OK) != 0) return output->refused("write");
  BITNETC_RETURN_IF_ERROR(output->open_temporary());
  if (exists && ::fchmod(output->file_.get(), info.st_mode & 07777) != 0)
    return output->refused("set the permissions");
  return output;
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlinkat(folder_.get(), temporary_.c_str(), 0);
}

Status OutputFile::write(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return refused("write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Status OutputFile::write(std::string_view text) {
  return write({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

Status OutputFile::rewind() {
  return ::lseek(file_.get(), 0, SEEK_SET) == 0 ? Status() : refused("seek");
}

Status OutputFile::finish() {
  if (temporary_.empty()) return {};
  if (::fsync(file_.get()) != 0) return refused("sync");
  const std::string name = fs::path(target_).filename().string();
  if (::renameat(folder_.get(), temporary_.c_str(), folder_.get(), name.c_str()) != 0)
    return refused("rename into place");
  temporary_.clear();
  held_.reset();
  return {};
}

Status check_not_an_input(const char* option, const std::string& output,
                          const std::vector<std::string>& inputs) {
  struct stat out = {};
  if (::stat(output.c_str(), &out) != 0 || !S_ISREG(out.st_mode)) return {};
  for (const std::string& input : inputs) {
    struct stat in = {};
    if (::stat(input.c_str(), &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
      return make_error(StatusCode::kInvalidArgument,
                        "{} {}: is {}, which is read; expected another file", option, output,
                        input);
  }
  return {};
}

}  // namespace bitnetc
