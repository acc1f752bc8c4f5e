// bitnetc autotune: measure once how matmuls run best on this machine; compile and run use it from
// then on.
#include <memory>

#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/autotune_compare.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/output_option.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/bitnetc/tuning_report.h"
#include "tools/engine/engine.h"
#include "tools/engine/machine_plans.h"

namespace bitnetc {
namespace {

struct AutotuneOptions {
  std::string model, effort{effort_name(Effort::kQuick)};
  std::vector<std::string> shapes, layouts, compared;
  std::vector<int> threads;
  bool compares = false;
  std::optional<double> budget_s;
  Usage usage = Usage::kGeneration;
  std::string export_file, import_file;
  bool again = false, json = false, space = false;
};

Result<TuneRequest> read_request(const AutotuneOptions& options, CommandContext& context) {
  const EngineSettings& settings = context.settings();
  TuneRequest request{.target = settings.target,
                      .build = settings.build,
                      .effort = *parse_effort(options.effort),
                      .again = options.again};
  request.budget_s = options.budget_s.value_or(tuning_seconds(request.effort));
  if (!options.shapes.empty() && !options.model.empty())
    return make_error(StatusCode::kInvalidArgument,
                      "'{}' and --shapes: expected a model or shapes, not both", options.model);
  if (options.shapes.empty()) {
    BITNETC_ASSIGN_OR_RETURN(request.shapes, model_matmuls(options.model, settings));
  } else {
    BITNETC_ASSIGN_OR_RETURN(request.shapes, parse_shapes(options.shapes));
  }
  BITNETC_ASSIGN_OR_RETURN(request.layouts, parse_layouts(options.layouts));
  request.threads = options.threads;
  if (request.threads.empty()) request.threads = {context.thread_count(0)};
  return request;
}

Result<int> import_profile(const std::string& file, const std::string& cache_dir) {
  std::vector<std::string> problems;
  BITNETC_ASSIGN_OR_RETURN(const int64_t entries,
                           machine_profile_store(cache_dir).import_from(file, problems));
  for (const std::string& problem : problems) print_note(problem);
  print_note(fmt::format("{} entries of {} are used from now on", entries, file));
  return static_cast<int>(kExitOk);
}

Result<int> export_profile(const std::string& file, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(const auto output, open_output(file, context.notes));
  BITNETC_RETURN_IF_ERROR(machine_profile_store(context.options.cache_dir).export_to(*output));
  print_note(fmt::format("the profile of this machine is in {}", file));
  return static_cast<int>(kExitOk);
}

Result<int> autotune(const AutotuneOptions& options, CommandContext& context) {
  if (!options.import_file.empty() && !options.export_file.empty())
    return Status(StatusCode::kInvalidArgument, "--import and --export: expected one of them");
  if (!options.compared.empty() && !options.compares)
    return Status(StatusCode::kInvalidArgument, "--with: expected --compare beside it");
  if (options.space) {
    write_report(describe_search_space());
    return static_cast<int>(kExitOk);
  }
  if (!options.import_file.empty())
    return import_profile(options.import_file, context.options.cache_dir);
  if (!options.export_file.empty()) return export_profile(options.export_file, context);
  BITNETC_ASSIGN_OR_RETURN(const TuneRequest request, read_request(options, context));
  if (options.compares)
    return compare_profiles(request, options.compared, options.usage, options.json, context);
  give_time_to_report();
  BITNETC_ASSIGN_OR_RETURN(
      const TuneReport report,
      tune_this_machine(request, context.options.cache_dir, context.notes, &interrupted()));
  stop_gracefully();
  std::vector<TuningView> views;
  for (const int threads : request.threads)
    views.push_back(
        tuning_view(request.shapes, request.layouts,
                    context.engine_options({.threads = threads, .usage = options.usage})));
  if (options.json) write_tuning_json(views);
  for (const TuningView& view : views)
    if (!options.json) write_report(tuning_text(view, false));
  return static_cast<int>(report.cancelled ? kExitInterrupted : kExitOk);
}

}  // namespace

void add_autotune_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<AutotuneOptions>();
  Command command =
      parent.subcommand("autotune", "Measure how the matmuls of a model run best on this machine");
  command.set_footer(
      "What is found is kept in the cache directory at once: Ctrl-C loses nothing, and\n"
      "the next run goes on.\n"
      "Examples:\n"
      "  bitnetc autotune ~/models/bitnet-b1.58-2B-4T\n"
      "  bitnetc autotune --shapes 3840x2560,2560x6912:residual --threads 1,2\n"
      "  bitnetc autotune --export node.profile\n"
      "  bitnetc autotune --import node.profile       on an equal machine");
  command.text("MODEL", options->model, "MODEL",
               ".bnc or .gguf file, model folder or bundled name (default: the bundled model)");
  command.list("--shapes", options->shapes, "SHAPE,...", "Instead of a model: NxK or NxK:EPILOGUE");
  command.list("--layouts", options->layouts, "LAYOUT,...", "Weight layouts (default: all)");
  command.integer("-t,--threads", options->threads, usable_thread_range(),
                  "Threads (default: all CPUs this process may use)");
  command.choice("--effort", {"quick", "full"}, "The likely plans or all of them (default: quick)",
                 [options](const std::string& effort) { options->effort = effort; });
  command.number("--budget", options->budget_s, kSecondsRange,
                 "Seconds, about (default: 20 quick, 600 full)");
  add_usage_option(command, options->usage);
  command.flag("--again", options->again, "Also what has been measured already");
  command.text("--export", options->export_file, "FILE", "Write this machine's profile to a file");
  command.text("--import", options->import_file, "FILE", "Read a profile made on an equal machine");
  command.flag("--compare", options->compares,
               "Tune nothing: measure what is chosen now against the rules of thumb");
  command.list("--with", options->compared, "FILE,...",
               "With --compare: also against other profiles of this machine");
  command.flag("--space", options->space, "Print what is searched, and by which rules");
  command.json_flag(options->json);
  command.verbosity_flags(true, "Predicted against measured times, a line per contest");
  command.set_action([options, &context] { return autotune(*options, context); });
}

}  // namespace bitnetc
