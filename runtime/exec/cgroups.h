// The control groups around this process, as files below /sys/fs/cgroup.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/system_text.h"

namespace bitnetc {

struct CgroupFolder {
  bool v2 = false;
  std::string path;
};

// Of the process's group and of every group around it, for one controller ("cpu"). Inside a
// container a path may be the host's: not every folder need exist. `read` is asked for
// /proc/self/cgroup.
std::vector<CgroupFolder> cgroup_folders(std::string_view controller, const ReadText& read);

}  // namespace bitnetc
