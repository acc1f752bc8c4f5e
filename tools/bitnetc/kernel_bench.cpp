#include "tools/bitnetc/kernel_bench.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "autotune/machine.h"
#include "compiler/plan_source.h"
#include "tools/bitnetc/console.h"

namespace bitnetc {
namespace {

// The reference takes about a nanosecond for a multiply-accumulate.
constexpr int64_t kTinyMacs = int64_t{1} << 20;

KernelOrigin origin_of(const Generator& generator) {
  switch (generator.kind()) {
    case GeneratorKind::kGenerated: return KernelOrigin::kGenerated;
    case GeneratorKind::kCompiled: return KernelOrigin::kStatic;
    case GeneratorKind::kReference: break;
  }
  return KernelOrigin::kReference;
}

// Whose instructions do the work; nothing for the reference.
std::optional<Isa> tier_of(const Generator& generator, const MatmulSpec& spec) {
  const auto work = generator.work(spec, {}, 1);
  return work ? std::optional(work->tier) : std::nullopt;
}

struct Candidate {
  KernelResult result;  // its identity; figures are filled in per case
  BuiltKernel built;
};

// The measuring of one request: what it keeps between cases.
class BenchRun {
 public:
  BenchRun(const KernelBenchRequest& request, const EngineSettings& settings,
           const BenchProgress& progress)
      : request_(request),
        progress_(progress),
        cache_dir_(settings.cache_dir),
        target_(settings.target),
        builder_(settings.build) {
    bench_.target = target_;
    cases_total_ =
        static_cast<int>(request.shapes.size() * request.layouts.size() * request.tokens.size() *
                         request.threads.size() * request.regimes.size());
  }

  KernelBench run() {
    for (const int threads : request_.threads) {
      MachineLimits limits = limits_with(threads);
      if (interrupted()) break;
      bench_.limits.push_back(std::move(limits));
    }
    for (const MatmulSpec& shape : request_.shapes) {
      for (const LayoutId layout : request_.layouts) {
        MatmulSpec spec = shape;
        spec.layout = layout;
        bench_layout(spec);
      }
    }
    bench_.interrupted = interrupted();
    return std::move(bench_);
  }

 private:
  MachineLimits limits_with(int threads) {
    progress_(0, cases_total_, fmt::format("limits with {} threads", threads));
    return remembered_limits(cache_dir_, threads, {.fresh = true, .is_cancelled = is_interrupted});
  }

  void bench_layout(const MatmulSpec& spec) {
    if (interrupted()) return;
    const bool streams = std::find(request_.regimes.begin(), request_.regimes.end(),
                                   WeightRegime::kMemory) != request_.regimes.end();
    const int64_t most = *std::max_element(request_.tokens.begin(), request_.tokens.end());
    MatmulWorkload workload(spec, most, streams ? streamed_weight_bytes() : 0, nullptr,
                            is_interrupted);
    for (const int64_t tokens : request_.tokens) {
      if (interrupted()) return;
      report_progress(spec, tokens, "building");
      const std::vector<Candidate> candidates = candidates_for(spec, tokens, workload);
      for (const int threads : request_.threads)
        for (const WeightRegime regime : request_.regimes)
          bench_case({.spec = spec, .tokens = tokens, .threads = threads, .regime = regime},
                     candidates, workload);
    }
  }

  std::vector<Candidate> candidates_for(const MatmulSpec& spec, int64_t tokens,
                                        MatmulWorkload& workload) {
    std::vector<Candidate> candidates;
    for (const auto& generator : KernelBuilder::generators()) {
      if (generator->name().find(request_.only) == std::string_view::npos) continue;
      const bool is_reference = generator->kind() == GeneratorKind::kReference;
      if (is_reference && !request_.reference && tokens * spec.n * spec.k > kTinyMacs) continue;
      for (const int m : {static_cast<int>(std::min<int64_t>(tokens, kMaxSmallM + 1)), kAnyM}) {
        if (m > kMaxSmallM || (is_reference && m == kAnyM && tokens <= kMaxSmallM)) continue;
        MatmulSpec exact = spec;
        exact.m = m;
        if (!generator->accepts({exact, {}, target_}).ok()) continue;
        for (const KernelPlan& plan : plans_for(*generator, exact)) {
          const KernelRequest request{exact, plan, target_};
          if (interrupted() || !generator->accepts(request).ok()) continue;
          candidates.push_back(make_candidate(*generator, request, tokens, workload));
        }
      }
    }
    return candidates;
  }

  // As on a CPU whose best tier is the generator's: that is where it would be chosen. Then those
  // asked for.
  std::vector<KernelPlan> plans_for(const Generator& generator, const MatmulSpec& spec) const {
    std::vector<KernelPlan> plans = {HeuristicPlanSource::plan_for(
        generator, spec, cap_target(target_, tier_of(generator, spec)))};
    if (origin_of(generator) != KernelOrigin::kGenerated) return plans;
    for (const KernelPlan& plan : request_.plans)
      if (plan != plans.front()) plans.push_back(plan);
    return plans;
  }

  // Built, proven, and compared with the reference on what will be timed.
  Candidate make_candidate(const Generator& generator, const KernelRequest& request, int64_t tokens,
                           MatmulWorkload& workload) {
    const auto& spec = std::get<MatmulSpec>(request.spec);
    const std::string m = spec.m == kAnyM ? "mN" : fmt::format("m{}", spec.m);
    Candidate candidate{
        .result = {.kernel = kernel_name(request, generator),
                   .generator = std::string(generator.name()),
                   .label = fmt::format("{} {} {}", generator.name(), m, plan_name(request.plan)),
                   .origin = origin_of(generator),
                   .tier = tier_of(generator, spec)}};
    if (const Status status = prepare(request, tokens, workload, candidate); !status.ok())
      candidate.result.failure = status.message();
    return candidate;
  }

  Status prepare(const KernelRequest& request, int64_t tokens, MatmulWorkload& workload,
                 Candidate& candidate) {
    BITNETC_ASSIGN_OR_RETURN(candidate.built,
                             builder_.build_with(candidate.result.generator, request));
    if (const TableForm form = candidate.built.table_form; form != TableForm::kNone) {
      if (tokens > 1)
        return Status(StatusCode::kUnsupported, "looks up the sums of one token only");
      BITNETC_ASSIGN_OR_RETURN(const double seconds,
                               workload.build_tables(builder_, target_, form));
      candidate.result.looks_up = true;
      candidate.result.tables_us_per_token = 1e6 * seconds;
    }
    return workload.check(builder_, candidate.built, tokens);
  }

  void bench_case(KernelCase c, const std::vector<Candidate>& candidates,
                  MatmulWorkload& workload) {
    if (interrupted()) return;
    report_progress(c.spec, c.tokens, regime_name(c.regime));
    ThreadPool pool(c.threads, true);
    std::vector<Contestant> contestants;
    std::vector<size_t> timed;  // their candidates
    for (size_t i = 0; i < candidates.size(); ++i) {
      c.results.push_back(candidates[i].result);
      if (!candidates[i].result.failure.empty()) continue;
      timed.push_back(i);
      contestants.push_back([&, i](int64_t calls) {
        return workload.run(candidates[i].built, c.tokens, c.regime, pool, calls);
      });
    }
    const std::vector<SampleSummary> summaries = sample_round_robin(
        contestants, {.budget_s = budget_of_next_case(), .is_cancelled = is_interrupted});
    for (size_t i = 0; i < timed.size(); ++i)
      fill_figures(c, workload.work(c.regime, c.threads), summaries[i], c.results[timed[i]]);
    sort_results(c.results);
    bench_.cases.push_back(std::move(c));
  }

  void fill_figures(const KernelCase& c, const CallWork& work, const SampleSummary& seconds,
                    KernelResult& result) const {
    result.seconds = seconds;
    if (seconds.samples == 0) {
      result.failure = "interrupted before it was timed";
      return;
    }
    const MachineLimits& limits = bench_.limits_of(c.threads);
    result.weights_per_second = static_cast<double>(work.weights) / seconds.median;
    result.bytes_per_second = static_cast<double>(work.weight_bytes) / seconds.median;
    result.operations_per_second =
        2 * static_cast<double>(c.tokens) * static_cast<double>(work.weights) / seconds.median;
    if (c.regime == WeightRegime::kMemory)
      result.read_share = result.bytes_per_second / limits.read_bytes_per_second;
    // LUT kernels do not multiply.
    if (result.tier && !result.looks_up && limits.peak_of(*result.tier) > 0)
      result.peak_share = result.operations_per_second / limits.peak_of(*result.tier);
  }

  static void sort_results(std::vector<KernelResult>& results) {
    std::sort(results.begin(), results.end(), [](const KernelResult& a, const KernelResult& b) {
      if (a.weights_per_second != b.weights_per_second)
        return a.weights_per_second > b.weights_per_second;
      return a.label < b.label;
    });
  }

  // Building kernels does not count.
  double budget_of_next_case() {
    return request_.budget_s / static_cast<double>(std::max(1, cases_total_));
  }

  void report_progress(const MatmulSpec& spec, int64_t tokens, std::string_view what) {
    progress_(
        static_cast<int>(bench_.cases.size()), cases_total_,
        fmt::format("{}x{} {} M={} {}", spec.n, spec.k, layout_name(spec.layout), tokens, what));
  }

  const KernelBenchRequest& request_;
  const BenchProgress& progress_;
  const std::string cache_dir_;
  const Target target_;
  KernelBuilder builder_;
  KernelBench bench_;
  int cases_total_ = 0;
};

// Of the results that `matches`, the highest speed.
template <typename Matches>
double best_speed(const std::vector<KernelResult>& results, const Matches& matches) {
  double best = 0;
  for (const KernelResult& result : results)
    if (matches(result)) best = std::max(best, result.weights_per_second);
  return best;
}

Status validate_request(const KernelBenchRequest& request) {
  for (const MatmulSpec& shape : request.shapes) BITNETC_RETURN_IF_ERROR(validate(shape));
  const auto& all = KernelBuilder::generators();
  if (std::none_of(all.begin(), all.end(), [&](const auto& generator) {
        return generator->name().find(request.only) != std::string_view::npos;
      }))
    return make_error(StatusCode::kInvalidArgument,
                      "--only {}: no generator of this build has that in its name; bitnetc "
                      "--version lists them",
                      request.only);
  return {};
}

}  // namespace

std::string_view origin_name(KernelOrigin origin) {
  switch (origin) {
    case KernelOrigin::kGenerated: return "generated";
    case KernelOrigin::kStatic: return "static";
    case KernelOrigin::kReference: return "reference";
  }
  return "?";
}

const KernelResult* KernelCase::winner() const {
  return results.empty() || !results.front().failure.empty() ? nullptr : &results.front();
}

std::vector<OriginRatio> KernelCase::ratios() const {
  std::vector<OriginRatio> found;
  const auto add = [&](const std::string& scope, std::optional<Isa> tier) {
    const auto best = [&](KernelOrigin origin) {
      return best_speed(results, [&](const KernelResult& result) {
        return result.origin == origin && (!tier || result.tier == tier);
      });
    };
    const double generated = best(KernelOrigin::kGenerated), compiled = best(KernelOrigin::kStatic);
    if (generated > 0 && compiled > 0) found.push_back({scope, generated / compiled});
  };
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx})
    add(std::string(isa_name(isa)), isa);
  add("overall", std::nullopt);
  return found;
}

const MachineLimits& KernelBench::limits_of(int threads) const {
  const auto found = std::find_if(limits.begin(), limits.end(), [&](const MachineLimits& each) {
    return each.threads == threads;
  });
  BITNETC_CHECK(found != limits.end(), "no limits with {} threads", threads);
  return *found;
}

RatioSummary KernelBench::generated_over_static() const {
  RatioSummary summary;
  double log_sum = 0;
  for (const KernelCase& c : cases) {
    const std::vector<OriginRatio> ratios = c.ratios();
    if (ratios.empty()) continue;
    const double overall = ratios.back().generated_over_static;
    log_sum += std::log(overall);
    if (summary.cases == 0 || overall < summary.least) {
      summary.least = overall;
      summary.least_case = &c;
    }
    ++summary.cases;
  }
  if (summary.cases > 0) summary.geometric_mean = std::exp(log_sum / summary.cases);
  return summary;
}

Result<KernelBench> run_kernel_bench(const KernelBenchRequest& request,
                                     const EngineSettings& settings,
                                     const BenchProgress& progress) {
  BITNETC_RETURN_IF_ERROR(validate_request(request));
  try {
    return BenchRun(request, settings, progress).run();
  } catch (const std::bad_alloc&) {
    return make_error(StatusCode::kOutOfMemory,
                      "kernel bench: no memory for copies of a matrix of {} bytes",
                      streamed_weight_bytes());
  }
}

}  // namespace bitnetc
