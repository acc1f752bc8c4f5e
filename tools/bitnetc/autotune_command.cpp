// bitnetc autotune: measure once how matmuls run best on this machine; compile and run use it from then on.
#include <CLI/CLI.hpp>
#include <memory>

#include "runtime/cpu_features.h"
#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/autotune_compare.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/console_notes.h"
#include "tools/engine/machine_plans.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/bitnetc/tuning_report.h"

namespace bitnetc {
namespace {

struct AutotuneOptions {
  std::string model, effort{effort_name(Effort::kQuick)};
  std::vector<std::string> shapes, layouts, threads, compared;
  bool compares = false;
  std::optional<double> budget_s;
  Usage usage = Usage::kGeneration;
  std::string export_file, import_file;
  bool again = false, json = false, verbose = false, space = false;
};

Result<TuneRequest> read_request(const AutotuneOptions& options) {
  TuneRequest request{
      .target = host_target(), .effort = *parse_effort(options.effort), .again = options.again};
  request.budget_s = options.budget_s.value_or(tuning_seconds(request.effort));
  if (!options.shapes.empty() && !options.model.empty())
    return make_error(StatusCode::kInvalidArgument,
                      "'{}' and --shapes: expected a model or shapes, not both", options.model);
  if (options.shapes.empty()) {
    BITNETC_ASSIGN_OR_RETURN(request.shapes, model_matmuls(options.model));
  } else {
    BITNETC_ASSIGN_OR_RETURN(request.shapes, parse_shapes(options.shapes));
  }
  BITNETC_ASSIGN_OR_RETURN(request.layouts, parse_layouts(options.layouts));
  BITNETC_ASSIGN_OR_RETURN(request.threads, parse_threads(options.threads));
  if (request.threads.empty()) request.threads = {thread_count(0)};
  return request;
}

Result<int> import_profile(const std::string& file) {
  std::vector<std::string> problems;
  BITNETC_ASSIGN_OR_RETURN(const int64_t entries,
                           machine_profile_store().import_from(file, problems));
  for (const std::string& problem : problems) print_note(problem);
  print_note(fmt::format("{} entries of {} are used from now on", entries, file));
  return static_cast<int>(kExitOk);
}

Result<int> export_profile(const std::string& file) {
  BITNETC_RETURN_IF_ERROR(machine_profile_store().export_to(file));
  print_note(fmt::format("the profile of this machine is in {}", file));
  return static_cast<int>(kExitOk);
}

Result<int> autotune(const AutotuneOptions& options) {
  if (options.space) {
    fmt::print("{}", describe_search_space());
    return static_cast<int>(kExitOk);
  }
  if (!options.import_file.empty()) return import_profile(options.import_file);
  if (!options.export_file.empty()) return export_profile(options.export_file);
  BITNETC_ASSIGN_OR_RETURN(const TuneRequest request, read_request(options));
  if (options.compares)
    return compare_profiles(request, options.compared, options.usage, options.json);
  ConsoleNotes notes(options.verbose);
  BITNETC_ASSIGN_OR_RETURN(const TuneReport report,
                           tune_this_machine(request, notes, &interrupted()));
  for (const int threads : request.threads) {
    const TuningView view = tuning_view(request.shapes, request.layouts, threads, options.usage, notes);
    fmt::print("{}", options.json ? tuning_json(view) + "\n" : tuning_text(view, false));
  }
  return static_cast<int>(report.cancelled ? kExitInterrupted : kExitOk);
}

}  // namespace

void add_autotune_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<AutotuneOptions>();
  CLI::App* command =
      app.add_subcommand("autotune", "Measure how the matmuls of a model run best on this machine");
  command->footer(
      "What is found is kept in the cache directory as it is found: Ctrl-C loses nothing, and the "
      "next run goes on.\n"
      "Examples:\n"
      "  bitnetc autotune ~/models/bitnet-b1.58-2B-4T\n"
      "  bitnetc autotune --shapes 3840x2560,2560x6912:residual --threads 1,2 --effort full\n"
      "  bitnetc autotune --export node.profile       then, on an equal machine, --import "
      "node.profile");
  command->add_option(
      "MODEL", options->model,
      ".bnc file, Hugging Face folder or bundled name (default: the bundled model)");
  command->add_option("--shapes", options->shapes, "Instead of a model: NxK or NxK:EPILOGUE")
      ->delimiter(',');
  command->add_option("--layouts", options->layouts, "Weight layouts (default: all)")
      ->delimiter(',');
  command
      ->add_option("-t,--threads", options->threads,
                   "Threads (default: all CPUs this process may use)")
      ->delimiter(',');
  command->add_option("--effort", options->effort, "quick: the likely plans; full: all of them")
      ->check(CLI::IsMember(std::vector<std::string>{"quick", "full"}))
      ->capture_default_str();
  command->add_option("--budget", options->budget_s, "Seconds, about (default: 20 quick, 600 full)")
      ->check(CLI::PositiveNumber);
  add_usage_option(*command, options->usage);
  command->add_flag("--again", options->again, "Also what has been measured already");
  CLI::Option* exporting = command->add_option("--export", options->export_file,
                                               "Write this machine's profile to a file");
  command->add_option("--import", options->import_file, "Read a profile made on an equal machine")
      ->excludes(exporting);
  CLI::Option* compare =
      command->add_flag("--compare", options->compares,
                        "Tune nothing: measure what is chosen now against the rules of thumb");
  command->add_option("--with", options->compared, "and against other profiles of this machine")
      ->delimiter(',')
      ->needs(compare);
  command->add_flag("--space", options->space, "Print what is searched, and by which rules");
  command->add_flag("--json", options->json, "The choices as JSON");
  command->add_flag("-v,--verbose", options->verbose,
                    "Predicted against measured times, a line a contest");
  command->callback([options, &exit_code] {
    auto result = autotune(*options);
    exit_code = result.ok() ? *result : report_failure(result.status());
  });
}

}  // namespace bitnetc
