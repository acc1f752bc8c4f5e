// The sub-commands of `bitnetc`. Each add_* hangs its command onto `parent`; `context` outlives it.
#pragma once

#include "tools/bitnetc/command_line.h"

namespace bitnetc {

class CommandContext;

// Documented in `bitnetc --help` and docs/command.md.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,        // something went wrong while running
  kExitUsage = 2,          // the command line or a setting is wrong
  kExitBadModel = 3,       // a model or another input file is missing, damaged or not supported
  kExitCheckFailed = 4,    // `kernel check`, `cache verify` or `doctor` found a problem
  kExitInterrupted = 130,  // Ctrl-C; after SIGHUP 129, after SIGTERM 143
  kExitReaderGone = 141    // the program that read stdout ended
};

void add_run_command(Command parent, CommandContext& context);
void add_compile_command(Command parent, CommandContext& context);
void add_convert_command(Command parent, CommandContext& context);
void add_inspect_command(Command parent, CommandContext& context);
void add_tokenize_command(Command parent, CommandContext& context);
void add_pull_command(Command parent, CommandContext& context);
void add_embed_command(Command parent, CommandContext& context);
void add_chat_command(Command parent, CommandContext& context);
void add_serve_command(Command parent, CommandContext& context);
void add_perplexity_command(Command parent, CommandContext& context);
void add_bench_command(Command parent, CommandContext& context);
void add_bench_serve_command(Command bench, CommandContext& context);  // `bench serve`
void add_synth_command(Command parent, CommandContext& context);
void add_kernel_command(Command parent, CommandContext& context);
void add_kernel_bench_command(Command kernel, CommandContext& context);    // `kernel bench`
void add_kernel_explain_command(Command kernel, CommandContext& context);  // `kernel explain`
void add_autotune_command(Command parent, CommandContext& context);
void add_doctor_command(Command parent, CommandContext& context);
void add_cache_command(Command parent, CommandContext& context);

}  // namespace bitnetc
