// Runs a program as a user would, with its own environment and streams.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bitnetc::test {

struct ProcessResult {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string out, err;
  int ended_after_ms = 0;  // the first signal
};

struct ProcessOptions {
  std::vector<std::string> arguments;              // argv[1...]
  std::map<std::string, std::string> environment;  // on top of a bare PATH
  std::string input;                               // stdin
  bool keeps_input_open = false;                   // there is no end of it
  int interrupt_after_ms = 0;                      // send `signal` then; 0: never
  int signal = 2;                                  // SIGINT
  bool signal_twice = false;
  bool ignores_interrupts = false;  // starts with SIGINT ignored, as under nohup
  // Instead of pipes: a file, such as /dev/full, or closed where the name is empty.
  std::optional<std::string> stdout_to, stderr_to;
  std::function<void()> on_output = {};  // called once, when the first bytes of stdout arrive
  int terminal_columns =
      0;  // stdout and stderr are a terminal of this width, read as `out`; 0: pipes
};

ProcessResult run_program(const std::string& program, const ProcessOptions& options);

}  // namespace bitnetc::test
