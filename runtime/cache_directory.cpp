#include "runtime/cache_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "runtime/temporary_file.h"
#include "runtime/temporary_files.h"

namespace bitnetc {
namespace {

using std::chrono::steady_clock;

constexpr char kLockName[] = ".lock";
constexpr std::chrono::milliseconds kLockPatience(2000), kLockPause(5);

Status refused(const std::string& path, const char* action, int error) {
  return make_error(StatusCode::kIoError, "{}: cannot {}: {}", path, action, std::strerror(error));
}

// Calls again what a signal interrupted.
template <typename Call>
auto retried(const Call& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

bool writable_by_others(const struct stat& info) {
  return (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// What is wrong with a file that nobody but this user should have been able to write; empty:
// nothing.
std::string file_problem(const struct stat& info) {
  if (S_ISLNK(info.st_mode)) return "is a symbolic link";
  if (!S_ISREG(info.st_mode)) return "is not a plain file";
  if (info.st_uid != ::geteuid())
    return fmt::format("belongs to user {}, not to user {}", info.st_uid, ::geteuid());
  return writable_by_others(info) ? "may be written by others" : "";
}

// As file_problem, for a folder and with what to do.
std::string folder_problem(const struct stat& info, const std::string& path, const char* variable) {
  const std::string remedy = fmt::format("set {} to a folder of your own", variable);
  if (S_ISLNK(info.st_mode))
    return fmt::format("is a symbolic link; put a folder in its place, or {}", remedy);
  if (!S_ISDIR(info.st_mode)) return fmt::format("is not a folder; remove it, or {}", remedy);
  if (info.st_uid != ::geteuid())
    return fmt::format("belongs to user {}, not to user {}; {}", info.st_uid, ::geteuid(), remedy);
  return writable_by_others(info) ? fmt::format("may be written by others; run chmod go-w {}", path)
                                  : "";
}

// Makes the folders above the cache directory that are missing.
Status make_parents(const std::string& path) {
  for (size_t end = path.find('/', 1); end != path.npos; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    struct stat info = {};
    if (::stat(part.c_str(), &info) == 0 || ::mkdir(part.c_str(), 0700) == 0 || errno == EEXIST)
      continue;
    return refused(part, "make the folder", errno);
  }
  return {};
}

// The folder `name` of `parent` (AT_FDCWD: `name` is a path), made where it is missing.
Result<FileDescriptor> open_folder(int parent, const std::string& name, const std::string& path,
                                   const char* variable) {
  if (::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) {
    const int error = errno;
    struct stat there = {};
    if (::fstatat(parent, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0)
      return refused(path, "make the folder", error);
  }
  FileDescriptor fd(retried([&] {
    return ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  }));
  const int error = errno;
  struct stat info = {};
  const int seen = fd.is_open() ? ::fstat(fd.get(), &info)
                                : ::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW);
  if (seen == 0) {
    const std::string problem = folder_problem(info, path, variable);
    if (!problem.empty()) return make_error(StatusCode::kIoError, "{} {}", path, problem);
  }
  if (!fd.is_open() || seen != 0) return refused(path, "open", error);
  return fd;
}

Status write_all(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = retried([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (written <= 0) return Status(StatusCode::kIoError, std::strerror(written ? errno : EIO));
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

void check_name(const std::string& name) {
  BITNETC_CHECK(is_cache_file_name(name), "'{}' is no name for a cache file", name);
}

}  // namespace

bool is_cache_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name.front() != '.' &&
         name.find('/') == name.npos && name.find('\0') == name.npos && !is_temporary_name(name);
}

Result<CacheDirectory> CacheDirectory::open(std::string root, const std::string& name,
                                            const char* variable) {
  check_name(name);
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  if (root.empty()) {
    return Status(StatusCode::kNotFound,
                  "there is no cache directory (neither XDG_CACHE_HOME nor HOME is set)");
  }
  BITNETC_RETURN_IF_ERROR(make_parents(root));
  BITNETC_ASSIGN_OR_RETURN(const FileDescriptor root_fd,
                           open_folder(AT_FDCWD, root, root, variable));
  const std::string path = root + "/" + name;
  BITNETC_ASSIGN_OR_RETURN(FileDescriptor fd, open_folder(root_fd.get(), name, path, variable));
  return CacheDirectory(path, std::move(fd));
}

Result<std::optional<std::vector<uint8_t>>> CacheDirectory::read(const std::string& name,
                                                                 int64_t most_bytes,
                                                                 Use use) const {
  check_name(name);
  const std::string path = path_ + "/" + name;
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const int unseen = use == Use::kNone ? O_NOATIME : 0;
  const FileDescriptor fd(retried([&] {
    return ::openat(fd_.get(), name.c_str(),
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | unseen);
  }));
  if (!fd.is_open() && errno == ENOENT) return std::optional<std::vector<uint8_t>>();
  if (!fd.is_open() && errno == ELOOP)
    return make_error(StatusCode::kIoError, "{} is a symbolic link", path);
  if (!fd.is_open()) return refused(path, "open", errno);
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return refused(path, "stat", errno);
  if (const std::string problem = file_problem(info); !problem.empty())
    return make_error(StatusCode::kIoError, "{} {}", path, problem);
  if (info.st_size > most_bytes)
    return make_error(StatusCode::kIoError, "{} has {} bytes, expected at most {}", path,
                      int64_t{info.st_size}, most_bytes);

  std::vector<uint8_t> bytes(static_cast<size_t>(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        retried([&] { return ::read(fd.get(), bytes.data() + done, bytes.size() - done); });
    if (count < 0) return refused(path, "read", errno);
    if (count == 0) break;  // cut short since; what is left is for the caller to judge
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  if (use == Use::kCounts) touch(name);
  return std::optional(std::move(bytes));
}

void CacheDirectory::touch(const std::string& name) const {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_NOW},
                             {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
  // Refused on a read-only disk, where nothing is ever thrown out either.
  (void)::utimensat(fd_.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

Status CacheDirectory::publish(const std::string& name, std::span<const uint8_t> bytes,
                               Durability durability) const {
  check_name(name);
  const std::string path = path_ + "/" + name;
  auto temporary = create_temporary(fd_.get(), name, 0600);
  if (!temporary.ok()) return temporary.status().with_context(path);
  const TemporaryFileName held(path_ + "/" + temporary->name);
  const int fd = temporary->fd.get();
  Status written = write_all(fd, bytes).with_context(path + ": cannot write");
  if (written.ok() && durability == Durability::kSynced &&
      retried([&] { return ::fsync(fd); }) != 0)
    written = refused(path, "sync", errno);
  if (written.ok() && ::renameat(fd_.get(), temporary->name.c_str(), fd_.get(), name.c_str()) != 0)
    written = refused(path, "rename into place", errno);
  if (!written.ok()) {
    ::unlinkat(fd_.get(), temporary->name.c_str(), 0);
    return written;
  }
  // The file is in place whatever this says; a folder that cannot be synced only loses it with the
  // power.
  if (durability == Durability::kSynced) (void)retried([&] { return ::fsync(fd_.get()); });
  return {};
}

Status CacheDirectory::remove(const std::string& name) const {
  if (!is_abandoned(fd_.get(), name)) check_name(name);
  if (::unlinkat(fd_.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return refused(path_ + "/" + name, "remove", errno);
}

Result<std::vector<CacheFile>> CacheDirectory::list() const {
  // A descriptor of its own: the position in a folder is shared by all users of one.
  const int own =
      retried([&] { return ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (own < 0) return refused(path_, "open", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::fdopendir(own), ::closedir);
  if (!folder) {
    const int error = errno;
    ::close(own);
    return refused(path_, "read", error);
  }
  std::vector<CacheFile> files;
  for (errno = 0; const dirent* entry = ::readdir(folder.get()); errno = 0) {
    const std::string name = entry->d_name;
    struct stat info = {};
    // What another process removes meanwhile is not there.
    if (::fstatat(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    const bool abandoned = is_abandoned(fd_.get(), name);
    if (!abandoned && !is_cache_file_name(name)) continue;
    files.push_back(
        {.name = name,
         .size_bytes = info.st_size,
         .used_ns = std::max(nanoseconds(info.st_atim), nanoseconds(info.st_mtim)),
         .problem = abandoned ? "was left behind by a process that was killed" : file_problem(info),
         .is_abandoned = abandoned});
  }
  if (errno != 0) return refused(path_, "read", errno);
  std::sort(files.begin(), files.end(),
            [](const CacheFile& a, const CacheFile& b) { return a.name < b.name; });
  return files;
}

void CacheDirectory::remove_abandoned() const {
  const auto files = list();
  if (!files.ok()) return;
  for (const CacheFile& file : *files)
    if (file.is_abandoned) ::unlinkat(fd_.get(), file.name.c_str(), 0);
}

Result<CacheDirectory::Lock> CacheDirectory::lock() const {
  const std::string path = path_ + "/" + kLockName;
  FileDescriptor fd(retried([&] {
    return ::openat(fd_.get(), kLockName, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                    0600);
  }));
  if (!fd.is_open()) return refused(path, "open", errno);
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return refused(path, "stat", errno);
  if (const std::string problem = file_problem(info); !problem.empty())
    return make_error(StatusCode::kIoError, "{} {}", path, problem);
  const auto give_up = steady_clock::now() + kLockPatience;
  while (retried([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK) return refused(path, "lock", errno);
    if (steady_clock::now() > give_up) {
      return make_error(StatusCode::kIoError, "{} has been locked by another process for {} s",
                        path, kLockPatience.count() / 1000);
    }
    std::this_thread::sleep_for(kLockPause);
  }
  return Lock(std::move(fd));
}

}  // namespace bitnetc
