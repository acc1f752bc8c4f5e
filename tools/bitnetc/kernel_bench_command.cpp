// bitnetc kernel bench: every kernel that can serve a shape, timed against the others and the
// machine's limits.
#include <memory>

#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/kernel_bench.h"
#include "tools/bitnetc/kernel_bench_report.h"
#include "tools/bitnetc/output_option.h"
#include "tools/bitnetc/plan_options.h"

namespace bitnetc {
namespace {

constexpr WeightRegime kRegimes[] = {WeightRegime::kCache, WeightRegime::kMemory};
constexpr char kBothRegimes[] = "both";

std::vector<WeightRegime> regimes_named(const std::string& name) {
  std::vector<WeightRegime> regimes;
  for (const WeightRegime regime : kRegimes)
    if (name == kBothRegimes || name == regime_name(regime)) regimes.push_back(regime);
  return regimes;
}

struct BenchOptions {
  std::vector<std::string> shapes = example_shapes();
  std::vector<int64_t> tokens;
  std::vector<int> threads;
  std::vector<std::string> layouts = {"i2s", "tl1", "tl2", "b3"};
  std::vector<std::string> plans;
  std::string only, regime = kBothRegimes, html;
  double budget_s = 120;
  bool reference = false, json = false;
};

Result<KernelBenchRequest> read_request(const BenchOptions& options) {
  KernelBenchRequest request{
      .only = options.only, .reference = options.reference, .budget_s = options.budget_s};
  BITNETC_ASSIGN_OR_RETURN(request.shapes, parse_shapes(options.shapes));
  request.tokens = options.tokens.empty() ? std::vector<int64_t>{1, 8, 64, 256} : options.tokens;
  request.threads = options.threads;
  if (request.threads.empty()) request.threads = one_and_all_threads();
  BITNETC_ASSIGN_OR_RETURN(request.layouts, parse_layouts(options.layouts));
  for (const std::string& name : options.plans) {
    BITNETC_ASSIGN_OR_RETURN(const KernelPlan plan, parse_plan(name));
    request.plans.push_back(plan);
  }
  request.regimes = regimes_named(options.regime);
  return request;
}

Result<int> bench(const BenchOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(const KernelBenchRequest request, read_request(options));
  BITNETC_ASSIGN_OR_RETURN(const auto page, open_output(options.html, context.notes));
  ProgressBar bar("measuring");
  give_time_to_report();
  const auto progress = [&](int done, int total, const std::string& what) {
    bar.update(done, total, what);
  };
  BITNETC_ASSIGN_OR_RETURN(const KernelBench measured,
                           run_kernel_bench(request, context.settings(), progress));
  bar.finish();
  stop_gracefully();
  if (options.json) {
    write_kernel_bench_json(measured);
  } else {
    print_kernel_bench(measured);
  }
  if (page) {
    BITNETC_RETURN_IF_ERROR(page->write(kernel_bench_html(measured, context.engine_options())));
    BITNETC_RETURN_IF_ERROR(page->finish());
    print_note(fmt::format("the plots are in {}", options.html));
  }
  return static_cast<int>(measured.interrupted ? kExitInterrupted : kExitOk);
}

}  // namespace

void add_kernel_bench_command(Command kernel, CommandContext& context) {
  auto options = std::make_shared<BenchOptions>();
  Command command = kernel.subcommand(
      "bench", "Every kernel that can serve a matmul, timed against the others and the limits");
  command.set_footer(
      "Kernels of a case take turns; figures are medians. Run it on a quiet machine.\n"
      "Ctrl-C prints what there is.\n"
      "Examples:\n"
      "  bitnetc kernel bench --m 1 --regime memory\n"
      "  bitnetc kernel bench --shapes 2560x6912:residual --layouts b3 --html b.html");
  command.list("--shapes", options->shapes, "SHAPE,...",
               "Rows x columns, NxK or NxK:EPILOGUE (default: a layer of BitNet-b1.58-2B-4T)");
  command.integer("--m", options->tokens, {.least = 1, .most = 1 << 16},
                  "Tokens (default: 1,8,64,256)");
  command.integer("-t,--threads", options->threads, usable_thread_range(),
                  "Threads (default: one, and one per CPU)");
  command.list("--layouts", options->layouts, "LAYOUT,...", "Weight layouts (default: all)");
  command.list("--plans", options->plans, "PLAN,...",
               "Plans such as t1u8p0 to time beside the planned one, where a kernel takes them");
  command.text("--only", options->only, "TEXT", "Only generators with this in their name");
  command.choice("--regime", {"cache", "memory", kBothRegimes},
                 "Where weights come from (default: both)",
                 [options](const std::string& regime) { options->regime = regime; });
  command.number("--budget", options->budget_s, kSecondsRange,
                 "Seconds of timing, about (default: 120)");
  command.flag("--reference", options->reference,
               "The reference too, where it takes long (tiny matmuls have it always)");
  command.json_flag(options->json);
  command.text("--html", options->html, "FILE", "Also a page with plots");
  command.verbosity_flags(true, nullptr);
  command.set_action([options, &context] { return bench(*options, context); });
}

}  // namespace bitnetc
