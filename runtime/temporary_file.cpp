#include "runtime/temporary_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace bitnetc {
namespace {

constexpr char kMark[] = ".tmp-";

Status refused(const char* action) {
  return make_error(StatusCode::kIoError, "cannot {}: {}", action, std::strerror(errno));
}

Result<std::string> random_name(const std::string& name) {
  uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return refused("draw a name");
  return fmt::format("{}{}{:016x}", name, kMark, number);
}

// A file system without locks cannot tell what is abandoned; then nothing is ever taken for it.
bool lock(int fd) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0)
    if (errno != EINTR) return errno != EWOULDBLOCK;
  return true;
}

// Exactly as random_name() makes them: what a user called something similar is not ours.
bool is_temporary_of(std::string_view candidate, std::string_view name) {
  if (!candidate.starts_with(name)) return false;
  candidate.remove_prefix(name.size());
  if (!candidate.starts_with(kMark)) return false;
  candidate.remove_prefix(sizeof kMark - 1);
  return candidate.size() == 16 &&
         candidate.find_first_not_of("0123456789abcdef") == candidate.npos;
}

}  // namespace

bool is_temporary_name(std::string_view name) {
  return name.find(kMark) != name.npos;
}

Result<TemporaryFile> create_temporary(int folder, const std::string& name, int mode) {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    BITNETC_ASSIGN_OR_RETURN(std::string temporary, random_name(name));
    FileDescriptor fd(::openat(folder, temporary.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!fd.is_open() && (errno == EEXIST || errno == EINTR)) continue;
    if (!fd.is_open()) return refused("create");
    // Until it is locked the file looks abandoned to others. If one of them was faster, it is gone.
    struct stat info = {};
    if (lock(fd.get()) && ::fstat(fd.get(), &info) == 0 && info.st_nlink > 0)
      return TemporaryFile{.name = std::move(temporary), .fd = std::move(fd)};
    ::unlinkat(folder, temporary.c_str(), 0);
  }
  return Status(StatusCode::kIoError, "cannot create: another process removes it at once");
}

bool is_abandoned(int folder, const std::string& name) {
  if (!is_temporary_name(name)) return false;
  const FileDescriptor fd(
      ::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info = {};
  return fd.is_open() && ::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) &&
         info.st_uid == ::geteuid() && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

void remove_abandoned(int folder, std::string_view name) {
  // A descriptor of its own: the position in a folder is shared by all users of one.
  const int own = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(own), ::closedir);
  if (!entries) {
    ::close(own);
    return;
  }
  std::vector<std::string> candidates;
  while (const dirent* entry = ::readdir(entries.get()))
    if (is_temporary_of(entry->d_name, name)) candidates.emplace_back(entry->d_name);
  for (const std::string& candidate : candidates)
    if (is_abandoned(folder, candidate)) ::unlinkat(folder, candidate.c_str(), 0);
}

}  // namespace bitnetc
