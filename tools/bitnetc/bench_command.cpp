// bitnetc bench: how fast a model runs from end to end.
#include <algorithm>
#include <memory>
#include <span>

#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/bench_report.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/memory_options.h"
#include "tools/bitnetc/output_option.h"
#include "tools/bitnetc/plan_options.h"
#include "tools/engine/bench_cost.h"
#include "tools/engine/models.h"

namespace bitnetc {
namespace {

struct BenchCommandOptions {
  std::vector<std::string> models;
  std::vector<int64_t> prompts, generated, depths;
  std::vector<int> threads;
  std::vector<std::string> kinds = {"generated"};
  int repeats = 5;
  bool both = false, full_head = false, dense_ffn = false, json = false;
  std::string csv, html;
  PlanRequest plan;
  MemoryOptions memory;
  KvType kv_type = KvType::kF16;
};

Result<std::vector<GeneratorKind>> parse_kinds(const std::vector<std::string>& names) {
  std::vector<GeneratorKind> kinds;
  for (const std::string& name : names) {
    const GeneratorKind all[] = {GeneratorKind::kGenerated, GeneratorKind::kCompiled,
                                 GeneratorKind::kReference};
    const auto at = std::ranges::find(all, name, kind_name);
    if (at == std::end(all))
      return make_error(StatusCode::kInvalidArgument,
                        "--kernels '{}': expected generated, compiled or reference", name);
    kinds.push_back(*at);
  }
  return kinds;
}

// What is named twice would be measured twice.
template <typename T>
Status expect_distinct(const char* option, std::vector<T> values) {
  std::ranges::sort(values);
  const auto twice = std::ranges::adjacent_find(values);
  if (twice == values.end()) return {};
  return make_error(StatusCode::kInvalidArgument, "{} names {} twice", option, *twice);
}

Status expect_distinct(const BenchCommandOptions& options) {
  BITNETC_RETURN_IF_ERROR(expect_distinct("--prompt", options.prompts));
  BITNETC_RETURN_IF_ERROR(expect_distinct("--gen", options.generated));
  BITNETC_RETURN_IF_ERROR(expect_distinct("--depth", options.depths));
  BITNETC_RETURN_IF_ERROR(expect_distinct("--threads", options.threads));
  return expect_distinct("--kernels", options.kinds);
}

// `standard_threads`: where none are asked for; 0: one, and one per CPU.
Result<BenchRequest> read_request(const BenchCommandOptions& options, int standard_threads) {
  BenchRequest request{.tests = {},
                       .threads = options.threads,
                       .repeats = options.repeats,
                       .dense_ffn = options.dense_ffn,
                       .full_head = options.full_head};
  BITNETC_ASSIGN_OR_RETURN(request.kinds, parse_kinds(options.kinds));
  if (request.threads.empty())
    request.threads = standard_threads > 0 ? std::vector{standard_threads} : one_and_all_threads();
  const auto or_default = [](const std::vector<int64_t>& given, int64_t standard) {
    return given.empty() ? std::vector<int64_t>{standard} : given;
  };
  for (const int64_t depth : or_default(options.depths, 0)) {
    for (const int64_t prompt : or_default(options.prompts, 512)) {
      if (prompt > 0) request.tests.push_back({.prompt = prompt, .depth = depth});
      for (const int64_t generated : or_default(options.generated, 128))
        if (options.both && prompt > 0 && generated > 0)
          request.tests.push_back({.prompt = prompt, .generated = generated, .depth = depth});
    }
    for (const int64_t generated : or_default(options.generated, 128))
      if (generated > 0) request.tests.push_back({.generated = generated, .depth = depth});
  }
  if (request.tests.empty())
    return make_error(StatusCode::kInvalidArgument,
                      "--prompt 0 and --gen 0 leave nothing to measure");
  return request;
}

// Null: that option was not given.
Status write_output(OutputFile* file, std::string (*text)(std::span<const Bench>),
                    const std::vector<Bench>& measured) {
  if (file == nullptr) return {};
  BITNETC_RETURN_IF_ERROR(file->write(text(measured)));
  return file->finish();
}

// The files of every model; one that is not there is an error before any is measured.
Result<std::vector<std::string>> files_of(const std::vector<std::string>& models,
                                          CommandContext& context) {
  std::vector<std::string> files;
  for (const std::string& model : models) {
    BITNETC_ASSIGN_OR_RETURN(const auto location,
                             locate_model(model, context.settings().program_dir));
    for (std::string& file : model_files(location)) files.push_back(std::move(file));
  }
  return files;
}

// One after the other, so that only one takes memory.
Result<std::vector<Bench>> measure(const std::vector<std::string>& models,
                                   const BenchRequest& request, const BenchCommandOptions& options,
                                   CommandContext& context) {
  EngineOptions engine_options = context.engine_options(options.plan);
  engine_options.memory = options.memory.request();
  engine_options.kv_type = options.kv_type;
  std::vector<Bench> measured;
  for (const std::string& model : models) {
    ProgressBar bar(models.size() == 1
                        ? "measuring"
                        : fmt::format("measuring {} of {}", measured.size() + 1, models.size()));
    const auto progress = [&](int done, int total, const std::string& what) {
      bar.update(done, total, what);
    };
    BITNETC_ASSIGN_OR_RETURN(Bench bench, run_bench(model, request, engine_options, progress));
    bar.finish();
    measured.push_back(std::move(bench));
    if (measured.back().interrupted) break;
  }
  return measured;
}

Result<int> bench(const BenchCommandOptions& options, CommandContext& context) {
  BITNETC_RETURN_IF_ERROR(expect_distinct(options));
  BITNETC_ASSIGN_OR_RETURN(const BenchRequest request,
                           read_request(options, context.options.threads));
  const std::vector<std::string> models =
      options.models.empty() ? std::vector<std::string>{kBundledModel} : options.models;
  BITNETC_ASSIGN_OR_RETURN(const std::vector<std::string> files, files_of(models, context));
  if (!options.csv.empty() && options.csv == options.html)
    return Status(StatusCode::kInvalidArgument, "--csv and --html: expected two files");
  BITNETC_ASSIGN_OR_RETURN(const auto csv,
                           open_output_apart("--csv", options.csv, models.front(), files, context));
  BITNETC_ASSIGN_OR_RETURN(
      const auto page, open_output_apart("--html", options.html, models.front(), files, context));
  place_memory(options.memory);
  give_time_to_report();
  BITNETC_ASSIGN_OR_RETURN(const std::vector<Bench> measured,
                           measure(models, request, options, context));
  stop_gracefully();
  if (options.json) {
    write_bench_json(measured);
  } else {
    print_bench(measured);
  }
  if (!measured.front().rows.empty()) {
    BITNETC_RETURN_IF_ERROR(write_output(csv.get(), bench_csv, measured));
    BITNETC_RETURN_IF_ERROR(write_output(page.get(), bench_html, measured));
  }
  return static_cast<int>(measured.back().interrupted ? kExitInterrupted : kExitOk);
}

}  // namespace

void add_bench_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<BenchCommandOptions>();
  Command command = parent.subcommand("bench", "How fast a model reads prompts and generates");
  command.set_footer(
      "Tests take turns, after one round that does not count; figures are medians. Tokens are\n"
      "random, and as many are generated as asked for. Run it on a quiet machine.\n"
      "Examples:\n"
      "  bitnetc bench 2b.bnc\n"
      "  bitnetc bench 2b.bnc --prompt 16,512,4096 --gen 128 --depth 0,4096 -t 1,2\n"
      "  bitnetc bench 2b.bnc --kernels generated,compiled --html bench.html\n"
      "  bitnetc bench 125m.bnc large.bnc 2b.bnc 8b.bnc --prompt 0 --html cost.html");
  command.repeated_text(
      "MODEL", options->models, "MODEL",
      fmt::format(".bnc or .gguf file, model folder or bundled name (default: {}); of {} or more "
                  "also the line of seconds over bytes",
                  kBundledModel, kLeastCostPoints));
  constexpr IntegerRange kTokens = {.least = 0, .most = 1 << 20};
  command.integer("--prompt", options->prompts, kTokens,
                  "Tokens of prompts, 0: none (default: 512)");
  command.integer("--gen", options->generated, kTokens,
                  "Tokens to generate, 0: none (default: 128)");
  command.integer("--depth", options->depths, kTokens, "Tokens before them (default: 0)");
  command.flag("--both", options->both, "Also prompt and generation in one test");
  command.integer("-t,--threads", options->threads, usable_thread_range(),
                  "Threads (default: BITNETC_THREADS, else one, and one per CPU)");
  command.list("--kernels", options->kinds, "KIND,...",
               "generated, compiled, reference (default: generated)");
  command.integer("-r,--repeats", options->repeats, {.least = 1, .most = 1000},
                  "Times that every test counts (default: 5)");
  command.flag("--dense-ffn", options->dense_ffn,
               "Read every neuron, although the model was compiled with --sparse-ffn");
  command.flag("--full-head", options->full_head, "Compute every logit of generated tokens");
  add_layout_option(command, options->plan.layout,
                    "Weight layout (default: as compiled; a compiled model is repacked in memory)");
  add_kv_option(command, options->kv_type);
  add_memory_options(command, options->memory);
  command.json_flag(options->json);
  command.text("--csv", options->csv, "FILE", "Also a table for programs");
  command.text("--html", options->html, "FILE", "Also a page with plots");
  command.verbosity_flags(true, "Say which layouts and kernels run");
  command.set_action([options, &context] { return bench(*options, context); });
  add_bench_serve_command(command, context);
}

}  // namespace bitnetc
