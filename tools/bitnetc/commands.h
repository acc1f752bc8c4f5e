// The sub-commands of `bitnetc`. Each add_* hangs its options and its callback onto the application; the
// callback leaves its exit code in `exit_code`.
#pragma once

namespace CLI {
class App;
}

namespace bitnetc {

// Documented in `bitnetc --help`.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,       // something went wrong while running
  kExitUsage = 2,         // the command line or a setting is wrong
  kExitBadModel = 3,      // a model or another input file is missing, damaged or not supported
  kExitCheckFailed = 4,   // `kernel check`, `cache verify` or `doctor` found a problem
  kExitInterrupted = 130  // Ctrl-C
};

void add_run_command(CLI::App& app, int& exit_code);
void add_compile_command(CLI::App& app, int& exit_code);
void add_inspect_command(CLI::App& app, int& exit_code);
void add_tokenize_command(CLI::App& app, int& exit_code);
void add_kernel_command(CLI::App& app, int& exit_code);
void add_kernel_bench_command(CLI::App& kernel, int& exit_code);  // `kernel bench`
void add_doctor_command(CLI::App& app, int& exit_code);
void add_cache_command(CLI::App& app, int& exit_code);

}  // namespace bitnetc
