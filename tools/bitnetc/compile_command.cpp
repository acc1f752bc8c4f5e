// bitnetc compile: a model folder or .gguf file in, a .bnc file out.
#include <memory>

#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/engine/engine.h"

namespace bitnetc {
namespace {

constexpr char kNoTuning[] = "off";

struct CompileCommandOptions {
  std::string model, output;
  PlanRequest plan{.layout = "auto"};
  std::string tune = kNoTuning;
  bool no_screen = false, sparse_ffn = false;
};

Status run_compile(const CompileCommandOptions& compile, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location,
                           locate_model(compile.model, context.settings().program_dir));
  if (location.kind == ModelLocation::Kind::kCompiled)
    return make_error(StatusCode::kInvalidArgument, "{}: this model is compiled already",
                      location.path);
  return compile_model({.source_path = location.path,
                        .output_path = compile.output,
                        .tune = parse_effort(compile.tune),
                        .screen = !compile.no_screen,
                        .skip_neurons = compile.sparse_ffn},
                       context.engine_options(compile.plan));
}

}  // namespace

void add_compile_command(Command parent, CommandContext& context) {
  auto compile = std::make_shared<CompileCommandOptions>();
  Command command = parent.subcommand("compile", "Compile a model into one .bnc file");
  command.set_footer(
      "Examples:\n"
      "  bitnetc compile ~/models/bitnet-b1.58-2B-4T -o 2b.bnc\n"
      "  bitnetc compile ~/models/bitnet-b1.58-2B-4T -o 2b.bnc --tune quick\n"
      "The file is written beside its destination and renamed, so an old one survives a\n"
      "failure.");
  command.text("MODEL", compile->model, "MODEL", "Hugging Face folder, .gguf file or bundled name");
  command.text("-o,--output", compile->output, "FILE", "The .bnc file to write");
  command.require("MODEL");
  command.require("--output");
  add_layout_option(
      command, compile->plan.layout,
      "Weight layout of every matrix (default: auto, the best one of those measured here)");
  add_usage_option(command, compile->plan.usage);
  add_threads_option(command, compile->plan.threads);
  command.choice("--tune", {kNoTuning, "quick", "full"},
                 "Measure kernels before (default: off, use what this machine knows already; quick "
                 "takes about 20 s, full minutes)",
                 [compile](const std::string& effort) { compile->tune = effort; });
  command.flag("--no-screen", compile->no_screen,
               "Leave out the few-bit copy of the head: a smaller file, slower generation");
  command.flag("--sparse-ffn", compile->sparse_ffn,
               "Add a copy of up and down of which a token reads the active neurons only: a larger "
               "file, faster generation (models with squared ReLU)");
  command.verbosity_flags(
      true, "List the configuration keys that were ignored, and what tuning measured");
  command.set_action([compile, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(run_compile(*compile, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
