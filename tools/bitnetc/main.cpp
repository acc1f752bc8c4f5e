// bitnetc: the command. Reads the environment once, then hands over to one sub-command.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "codegen/kernel_builder.h"
#include "runtime/jit_observer.h"
#include "runtime/options.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/file_faults.h"

namespace {

std::string version_text() {
  std::string families;
  for (const auto& generator : bitnetc::KernelBuilder::generators())
    families += fmt::format("\n  {}", generator->name());
  return fmt::format("bitnetc {} ({})\ngenerators in this build:{}", BITNETC_VERSION, __VERSION__,
                     families);
}

constexpr char kFooter[] =
    "Start here:\n"
    "  bitnetc run -p \"Once upon a time\" -n 64      text from the bundled model\n"
    "  bitnetc compile FOLDER -o model.bnc          a Hugging Face BitNet folder, compiled once\n"
    "  bitnetc autotune FOLDER                      measure once how its matmuls run best here\n"
    "  bitnetc doctor                               what this machine is and what runs on it\n"
    "\n"
    "Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed while running, "
    "2 wrong "
    "use,\n3 bad model or file, 4 a check found a problem, 130 interrupted.\n"
    "Environment: BITNETC_ISA, BITNETC_THREADS, BITNETC_JIT, BITNETC_DUMP, BITNETC_EXPLAIN, "
    "BITNETC_PERF,\n"
    "BITNETC_POISON; `bitnetc doctor` prints their meaning and values.";

}  // namespace

int main(int argc, char** argv) {
  using namespace bitnetc;
  auto options = read_options();
  if (!options.ok()) {
    report_failure(options.status());
    return kExitUsage;
  }
  set_options(*options);
  install_observers(*options);
  install_interrupt_handler();
  install_file_fault_handlers();

  CLI::App app{
      "bitnetc compiles BitNet b1.58 models and runs them with kernels generated for this "
      "machine."};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", version_text);
  app.get_formatter()->column_width(34);
  int exit_code = kExitOk;
  add_run_command(app, exit_code);
  add_compile_command(app, exit_code);
  add_inspect_command(app, exit_code);
  add_tokenize_command(app, exit_code);
  add_autotune_command(app, exit_code);
  add_kernel_command(app, exit_code);
  add_doctor_command(app, exit_code);
  add_cache_command(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked_for_help = error.get_exit_code() == 0;
    app.exit(error);
    return asked_for_help ? kExitOk : kExitUsage;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "bitnetc: out of memory\n");
    return kExitFailure;
  }
  if (std::fflush(stdout) != 0)
    return report_failure(Status(StatusCode::kIoError, "cannot write to stdout"));
  return exit_code;
}
