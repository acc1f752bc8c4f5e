// bitnetc compile: a model folder in, a .bnc file out.
#include <CLI/CLI.hpp>
#include <memory>

#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/console_notes.h"
#include "tools/engine/engine.h"
#include "tools/bitnetc/plan_options.h"

namespace bitnetc {
namespace {

constexpr char kNoTuning[] = "off";

struct CompileCommandOptions {
  std::string model, output;
  PlanRequest plan{.layout = "auto"};
  std::string tune = kNoTuning;
  bool verbose = false;
};

Status run_compile(const CompileCommandOptions& compile) {
  BITNETC_ASSIGN_OR_RETURN(const ModelLocation location, locate_model(compile.model));
  if (location.kind == ModelLocation::Kind::kCompiled)
    return make_error(StatusCode::kInvalidArgument, "{}: this model is compiled already",
                      location.path);
  ConsoleNotes notes(compile.verbose);
  return compile_model({.source_folder = location.path,
                        .output_path = compile.output,
                        .tune = parse_effort(compile.tune)},
                       engine_options(notes, compile.plan));
}

}  // namespace

void add_compile_command(CLI::App& app, int& exit_code) {
  auto compile = std::make_shared<CompileCommandOptions>();
  CLI::App* command = app.add_subcommand("compile", "Compile a model into one .bnc file");
  command->footer(
      "Examples:\n"
      "  bitnetc compile ~/models/bitnet-b1.58-2B-4T -o 2b.bnc && bitnetc run 2b.bnc -p \"Hello\"\n"
      "  bitnetc compile ~/models/bitnet-b1.58-2B-4T -o 2b.bnc --tune quick\n"
      "The file is written beside its destination and renamed, so an old one survives a failure.");
  command->add_option("MODEL", compile->model, "Hugging Face folder or bundled name")->required();
  command->add_option("-o,--output", compile->output, "The .bnc file to write")->required();
  add_layout_option(
      *command, compile->plan.layout,
      "Weight layout of every matrix (default: auto, the best one of those measured here)");
  add_usage_option(*command, compile->plan.usage);
  add_threads_option(*command, compile->plan.threads);
  command
      ->add_option(
          "--tune", compile->tune,
          "Measure kernels before: quick (about 20 s), full (minutes), or off: use what this "
          "machine knows already")
      ->check(CLI::IsMember(std::vector<std::string>{kNoTuning, "quick", "full"}))
      ->capture_default_str();
  command->add_flag("-v,--verbose", compile->verbose,
                    "List the configuration keys that were ignored, and what tuning measured");
  command->callback([compile, &exit_code] { exit_code = exit_code_of(run_compile(*compile)); });
}

}  // namespace bitnetc
