// bitnetc: the command. Reads the environment once, then hands over to one sub-command.
#include <new>

#include "codegen/kernel_builder.h"
#include "runtime/options.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/command_line.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/file_faults.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/terminal.h"

namespace bitnetc {
namespace {

std::string version_text() {
  std::string families;
  for (const auto& generator : KernelBuilder::generators())
    families += fmt::format("\n  {}", generator->name());
  return fmt::format("bitnetc {} ({})\ngenerators in this build:{}\n", BITNETC_VERSION, __VERSION__,
                     families);
}

constexpr char kFooter[] =
    "Start here:\n"
    "  bitnetc run -p \"Once upon a time\" -n 64  text from the bundled model\n"
    "  bitnetc chat FOLDER                      talk with a model\n"
    "  bitnetc compile FOLDER -o model.bnc      a Hugging Face folder, compiled once\n"
    "  bitnetc autotune FOLDER                  measure how its matmuls run best here\n"
    "  bitnetc doctor                           this machine, and what runs on it\n"
    "\n"
    "Results go to stdout, everything else to stderr.\n"
    "Exit codes: 0 done, 1 failed while running, 2 wrong use, 3 bad model or file,\n"
    "4 a check found a problem, 130 interrupted (129 hang-up, 143 terminated),\n"
    "141 nobody reads stdout any more.\n"
    "Environment: BITNETC_ISA, BITNETC_THREADS, BITNETC_JIT, BITNETC_DUMP,\n"
    "BITNETC_EXPLAIN, BITNETC_PERF, BITNETC_POISON ('bitnetc doctor' explains them).";

int exit_code_for(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return kExitOk;
    case StatusCode::kInvalidArgument: return kExitUsage;
    case StatusCode::kNotFound:
    case StatusCode::kDataCorrupt:
    case StatusCode::kUnsupported: return kExitBadModel;
    case StatusCode::kDisqualified: return kExitCheckFailed;
    case StatusCode::kCancelled: return kExitInterrupted;
    case StatusCode::kIoError:
    case StatusCode::kOutOfMemory: return kExitFailure;
  }
  return kExitFailure;
}

// One line on stderr, and with --json a document on stdout.
int report_failure(const Status& status, bool as_json) {
  constexpr size_t kMostBytes = 1200;
  const int exit_code = exit_code_for(status.code());
  // What went wrong with stdout is said by final_exit_code().
  if (!output_failure().ok()) return exit_code;
  if (as_json) write_json_error(exit_code, status.message());
  write_fitted_message(fmt::format("bitnetc: {}\n", shown_on_a_line(status.message(), kMostBytes)));
  return exit_code;
}

Result<int> run_command(CommandLine& line, int argc, char** argv) {
  BITNETC_ASSIGN_OR_RETURN(Options options, read_options());
  CommandContext context(std::move(options));
  add_run_command(line.root(), context);
  add_compile_command(line.root(), context);
  add_convert_command(line.root(), context);
  add_inspect_command(line.root(), context);
  add_tokenize_command(line.root(), context);
  add_pull_command(line.root(), context);
  add_embed_command(line.root(), context);
  add_chat_command(line.root(), context);
  add_serve_command(line.root(), context);
  add_perplexity_command(line.root(), context);
  add_bench_command(line.root(), context);
  add_synth_command(line.root(), context);
  add_autotune_command(line.root(), context);
  add_kernel_command(line.root(), context);
  add_doctor_command(line.root(), context);
  add_cache_command(line.root(), context);
  line.root().set_footer(kFooter);
  BITNETC_ASSIGN_OR_RETURN(const auto action, line.parse(argc, argv, version_text));
  return action();
}

Result<int> run_without_exceptions(CommandLine& line, int argc, char** argv) {
  try {
    return run_command(line, argc, argv);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    return make_error(StatusCode::kIoError, "unexpected failure: {}", error.what());
  }
}

// What stdout or a signal makes of the exit code of a command.
int final_exit_code(int exit_code) {
  const Status output = output_failure();
  if (output_reader_is_gone()) return kExitReaderGone;
  if (!output.ok()) {
    print_err("bitnetc: {}\n", output.message());
    return kExitFailure;
  }
  const bool was_stopped = signal_exit_code() != 0 && exit_code != kExitOk;
  return was_stopped ? signal_exit_code() : exit_code;
}

}  // namespace
}  // namespace bitnetc

int main(int argc, char** argv) {
  using namespace bitnetc;
  reserve_standard_streams();
  install_signal_handlers();
  install_file_fault_handlers();
  CommandLine line(
      "bitnetc compiles BitNet b1.58 models and runs them with kernels generated for this "
      "machine.");
  const Result<int> result = run_without_exceptions(line, argc, argv);
  stop_gracefully();
  return final_exit_code(result.ok() ? *result
                                     : report_failure(result.status(), line.wants_json()));
}
