// Runs a program as a user would, with its own environment and streams.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace bitnetc::test {

struct ProcessResult {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string out, err;
};

struct ProcessOptions {
  std::vector<std::string> arguments;              // argv[1...]
  std::map<std::string, std::string> environment;  // on top of a bare PATH
  std::string input;                               // stdin
  int interrupt_after_ms = 0;                      // send SIGINT then; 0: never
};

ProcessResult run_program(const std::string& program, const ProcessOptions& options);

}  // namespace bitnetc::test
