// bitnetc kernel bench: every kernel that can serve a shape, timed against the others and the machine's limits.
#include <CLI/CLI.hpp>
#include <memory>

#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/kernel_bench.h"
#include "tools/bitnetc/kernel_bench_report.h"

namespace bitnetc {
namespace {

struct BenchOptions {
  std::vector<std::string> shapes = example_shapes();
  std::vector<std::string> tokens = {"1", "8", "64", "256"};
  std::vector<std::string> threads;
  std::vector<std::string> layouts = {"i2s", "tl1", "tl2", "b3"};
  std::vector<std::string> plans;
  std::string only, regime = "both", html;
  double budget_s = 120;
  bool reference = false, json = false;
};

Result<std::vector<WeightRegime>> parse_regimes(const std::string& name) {
  if (name == "both") return std::vector{WeightRegime::kCache, WeightRegime::kMemory};
  for (const WeightRegime regime : {WeightRegime::kCache, WeightRegime::kMemory})
    if (regime_name(regime) == name) return std::vector{regime};
  return make_error(StatusCode::kInvalidArgument, "--regime '{}': expected cache, memory or both",
                    name);
}

Result<KernelBenchRequest> read_request(const BenchOptions& options) {
  constexpr int64_t kMostTokens = 1 << 16;
  KernelBenchRequest request{
      .only = options.only, .reference = options.reference, .budget_s = options.budget_s};
  BITNETC_ASSIGN_OR_RETURN(request.shapes, parse_shapes(options.shapes));
  for (const std::string& text : options.tokens) {
    BITNETC_ASSIGN_OR_RETURN(const int64_t tokens, parse_number("--m", text, 1, kMostTokens));
    request.tokens.push_back(tokens);
  }
  BITNETC_ASSIGN_OR_RETURN(request.threads, parse_threads(options.threads));
  if (request.threads.empty()) request.threads = one_and_all_threads();
  BITNETC_ASSIGN_OR_RETURN(request.layouts, parse_layouts(options.layouts));
  for (const std::string& name : options.plans) {
    BITNETC_ASSIGN_OR_RETURN(const KernelPlan plan, parse_plan(name));
    request.plans.push_back(plan);
  }
  BITNETC_ASSIGN_OR_RETURN(request.regimes, parse_regimes(options.regime));
  return request;
}

Result<int> bench(const BenchOptions& options) {
  BITNETC_ASSIGN_OR_RETURN(const KernelBenchRequest request, read_request(options));
  ProgressBar bar("measuring");
  const auto progress = [&](int done, int total, const std::string& what) {
    bar.update(done, total, what);
  };
  BITNETC_ASSIGN_OR_RETURN(const KernelBench measured, run_kernel_bench(request, progress));
  bar.finish();
  if (options.json) {
    fmt::print("{}\n", kernel_bench_json(measured));
  } else {
    print_kernel_bench(measured);
  }
  if (!options.html.empty()) {
    BITNETC_RETURN_IF_ERROR(write_text(options.html, kernel_bench_html(measured)));
    print_note(fmt::format("the plots are in {}", options.html));
  }
  return static_cast<int>(measured.interrupted ? kExitInterrupted : kExitOk);
}

}  // namespace

void add_kernel_bench_command(CLI::App& kernel, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = kernel.add_subcommand(
      "bench", "Every kernel that can serve a matmul, timed against the others and the limits");
  command->footer(
      "Kernels of a case take turns; figures are medians. Run it on a quiet machine. Ctrl-C prints "
      "what there is.\n"
      "Examples:\n"
      "  bitnetc kernel bench --m 1 --regime memory\n"
      "  bitnetc kernel bench --shapes 2560x6912:residual --layouts i2s,b3 --html bench.html");
  command->add_option("--shapes", options->shapes, "Rows x columns, NxK or NxK:EPILOGUE")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--m", options->tokens, "Tokens")->delimiter(',')->capture_default_str();
  command->add_option("--threads", options->threads, "Threads; default: one, and one per CPU")
      ->delimiter(',');
  command->add_option("--layouts", options->layouts, "Weight layouts")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--plans", options->plans,
                   "Plans such as t1u8p0 to time beside the planned one, where a kernel takes them")
      ->delimiter(',');
  command->add_option("--only", options->only, "Only generators with this in their name");
  command->add_option("--regime", options->regime, "Where weights come from: cache, memory or both")
      ->capture_default_str();
  command->add_option("--budget", options->budget_s, "Seconds of timing, about")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_flag("--reference", options->reference,
                    "The reference too, where it takes long (tiny matmuls have it always)");
  command->add_flag("--json", options->json, "As JSON");
  command->add_option("--html", options->html, "Also a page with plots");
  command->callback([options, &exit_code] {
    auto result = bench(*options);
    exit_code = result.ok() ? *result : report_failure(result.status());
  });
}

}  // namespace bitnetc
