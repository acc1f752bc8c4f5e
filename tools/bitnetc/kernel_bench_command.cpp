// bitnetc kernel bench: every kernel that can serve a shape, timed against the others and the machine's limits.
#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <memory>

#include "runtime/thread_pool.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/kernel_bench.h"
#include "tools/bitnetc/kernel_bench_report.h"

namespace bitnetc {
namespace {

struct BenchOptions {
  // The matmuls of a layer of BitNet-b1.58-2B-4T: q|k|v, attention output, gate|up, down.
  std::vector<std::string> shapes = {"3840x2560", "2560x2560:residual", "13824x2560:relu2mul",
                                     "2560x6912:residual"};
  std::vector<std::string> tokens = {"1", "8", "64", "256"};
  std::vector<std::string> threads;
  std::vector<std::string> layouts = {"i2s", "tl1", "tl2", "b3"};
  std::vector<std::string> plans;
  std::string only, regime = "both", html;
  double budget_s = 120;
  bool reference = false, json = false;
};

// The whole of `text` as a number within [least, most].
Result<int64_t> parse_number(const char* option, std::string_view text, int64_t least,
                             int64_t most) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return make_error(StatusCode::kInvalidArgument, "{} '{}': expected a number from {} to {}",
                      option, text, least, most);
  return value;
}

std::optional<Epilogue> parse_epilogue(std::string_view name) {
  for (const Epilogue epilogue : kEpilogues)
    if (epilogue_name(epilogue) == name) return epilogue;
  return std::nullopt;
}

// "2560x6912" or "2560x6912:residual"
Result<MatmulSpec> parse_shape(const std::string& text) {
  constexpr int64_t kMost = int64_t{1} << 20;
  const auto malformed = [&] {
    return make_error(StatusCode::kInvalidArgument,
                      "--shapes '{}': expected NxK or NxK:EPILOGUE, for example 2560x6912:residual "
                      "(epilogues: scale, residual, relu2mul, silumul, gelumul)",
                      text);
  };
  const size_t colon = text.find(':');
  const std::string sizes = text.substr(0, colon);
  const size_t cross = sizes.find('x');
  if (cross == std::string::npos) return malformed();
  MatmulSpec spec;
  if (colon != std::string::npos) {
    const auto epilogue = parse_epilogue(std::string_view(text).substr(colon + 1));
    if (!epilogue) return malformed();
    spec.epilogue = *epilogue;
  }
  const auto n = parse_number("--shapes", sizes.substr(0, cross), 1, kMost);
  const auto k = parse_number("--shapes", sizes.substr(cross + 1), 1, kMost);
  if (!n.ok() || !k.ok()) return malformed();
  spec.n = *n;
  spec.k = *k;
  return spec;
}

Result<std::vector<WeightRegime>> parse_regimes(const std::string& name) {
  if (name == "both") return std::vector{WeightRegime::kCache, WeightRegime::kMemory};
  for (const WeightRegime regime : {WeightRegime::kCache, WeightRegime::kMemory})
    if (regime_name(regime) == name) return std::vector{regime};
  return make_error(StatusCode::kInvalidArgument, "--regime '{}': expected cache, memory or both",
                    name);
}

std::vector<std::string> default_threads() {
  const int cpus = usable_cpu_count();
  return cpus == 1 ? std::vector<std::string>{"1"}
                   : std::vector<std::string>{"1", std::to_string(cpus)};
}

Result<KernelBenchRequest> read_request(const BenchOptions& options) {
  constexpr int64_t kMostTokens = 1 << 16;
  KernelBenchRequest request{
      .only = options.only, .reference = options.reference, .budget_s = options.budget_s};
  for (const std::string& text : options.shapes) {
    BITNETC_ASSIGN_OR_RETURN(const MatmulSpec spec, parse_shape(text));
    request.shapes.push_back(spec);
  }
  for (const std::string& text : options.tokens) {
    BITNETC_ASSIGN_OR_RETURN(const int64_t tokens, parse_number("--m", text, 1, kMostTokens));
    request.tokens.push_back(tokens);
  }
  for (const std::string& text : options.threads.empty() ? default_threads() : options.threads) {
    BITNETC_ASSIGN_OR_RETURN(const int64_t threads,
                             parse_number("--threads", text, 1, usable_cpu_count()));
    request.threads.push_back(static_cast<int>(threads));
  }
  for (const std::string& name : options.layouts) {
    const auto layout = parse_layout(name);
    if (!layout)
      return make_error(StatusCode::kInvalidArgument,
                        "--layouts '{}': expected i2s, tl1, tl2 or b3", name);
    request.layouts.push_back(*layout);
  }
  for (const std::string& name : options.plans) {
    BITNETC_ASSIGN_OR_RETURN(const KernelPlan plan, parse_plan(name));
    request.plans.push_back(plan);
  }
  BITNETC_ASSIGN_OR_RETURN(request.regimes, parse_regimes(options.regime));
  return request;
}

Status write_page(const std::string& path, const std::string& page) {
  std::ofstream file(path, std::ios::binary);
  file << page;
  file.close();
  if (!file) return make_error(StatusCode::kIoError, "{}: cannot be written", path);
  print_note(fmt::format("the plots are in {}", path));
  return {};
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
  if (!options.html.empty())
    BITNETC_RETURN_IF_ERROR(write_page(options.html, kernel_bench_html(measured)));
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
