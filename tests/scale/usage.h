// What a process holds, for tests that want nothing to be left behind.
#pragma once

#include <cstdint>
#include <string>

namespace bitnetc::test {

struct ProcessUsage {
  int64_t blocks = 0;          // of operator new, not yet deleted
  int64_t heap_bytes = 0;      // that malloc has handed out
  int64_t resident_bytes = 0;  // of the process, in memory
  int64_t descriptors = 0;     // open files
  int64_t threads = 0;

  std::string describe() const;
};

// Counting takes nothing itself. The program must be linked with usage.cpp, which replaces operator
// new and delete.
ProcessUsage process_usage();

}  // namespace bitnetc::test
