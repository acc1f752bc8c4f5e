#include "tests/support/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace bitnetc::test {
namespace {

std::string failed(const char* what) {
  return fmt::format("{}: {}", what, std::strerror(errno));
}

bool write_text(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return written;
}

}  // namespace

ChildProcess::ChildProcess(const ChildWork& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(failed("pipe"));
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error(failed("fork"));
  if (pid_ == 0) {
    const std::string found = work();
    const bool told = ::write(ends[1], found.data(), found.size()) >= 0;
    ::_exit(told && found.empty() ? 0 : 1);
  }
  ::close(ends[1]);
  report_ = ends[0];
}

ChildProcess::~ChildProcess() {
  kill();
  ::close(report_);
}

void ChildProcess::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string ChildProcess::wait() {
  std::string found;
  char block[4096];
  for (ssize_t count; (count = ::read(report_, block, sizeof block)) > 0;)
    found.append(block, static_cast<size_t>(count));
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  if (found.empty() && status != 0) found = fmt::format("the child ended with status {}", status);
  return found;
}

std::string own_mounts() {
  const uid_t user = ::geteuid();
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return failed("unshare");
    if (!write_text("/proc/self/uid_map", fmt::format("0 {} 1", user))) return failed("uid_map");
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failed("mount /");
  return "";
}

std::string mount_small_disk(const std::string& folder, int64_t size_bytes) {
  const std::string options = fmt::format("size={},mode=0700", size_bytes);
  return ::mount("none", folder.c_str(), "tmpfs", 0, options.c_str()) == 0 ? ""
                                                                           : failed("mount tmpfs");
}

std::string make_read_only(const std::string& folder) {
  if (::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return failed("mount bind");
  return ::mount(nullptr, folder.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0
             ? ""
             : failed("mount read-only");
}

// Whoever has CAP_IPC_LOCK has no limit: root has it, after exec again unless it is taken from the
// bounding set.
std::string limit_locking(int64_t size_bytes) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, sets) != 0) return failed("capget");
  constexpr uint32_t kLock = 1u << CAP_IPC_LOCK;
  if ((sets[0].effective & kLock) != 0) {
    if (::prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0) != 0) return failed("PR_CAPBSET_DROP");
    sets[0].effective &= ~kLock;
    sets[0].permitted &= ~kLock;
    sets[0].inheritable &= ~kLock;
    if (::syscall(SYS_capset, &header, sets) != 0) return failed("capset");
  }
  const auto bytes = static_cast<rlim_t>(size_bytes);
  const rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
  return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? "" : failed("setrlimit");
}

}  // namespace bitnetc::test
