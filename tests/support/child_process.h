// Work done in a forked copy of the test: to be killed, to be two processes at once, or to live
// with other rights and mounts than the test itself.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace bitnetc::test {

// What the work found wrong; empty: nothing.
using ChildWork = std::function<std::string()>;

class ChildProcess {
 public:
  explicit ChildProcess(const ChildWork& work);
  ~ChildProcess();  // killed if it still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void kill();         // SIGKILL, and waits for the end
  std::string wait();  // what the work returned, or how it ended

 private:
  pid_t pid_;
  int report_;  // the end of the pipe to read from
};

inline std::string in_child(const ChildWork& work) {
  return ChildProcess(work).wait();
}

// For use inside a child: mounts that only this process sees. Empty, or why it is not permitted
// here.
std::string own_mounts();
std::string mount_small_disk(const std::string& folder, int64_t size_bytes);
std::string make_read_only(const std::string& folder);

// For use inside a child: it and the programs it starts may lock so many bytes in memory, also
// where the user is root. Empty, or what went wrong.
std::string limit_locking(int64_t size_bytes);

}  // namespace bitnetc::test
