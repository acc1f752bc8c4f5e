#include "autotune/tuner.h"

#include <chrono>
#include <cmath>
#include <memory>
#include <new>
#include <optional>

#include "autotune/cost_model.h"
#include "autotune/machine.h"
#include "autotune/tuning/budget.h"
#include "autotune/tuning/trials.h"
#include "autotune/tuning/work_list.h"

namespace bitnetc {
namespace {

// An interval of the winner's time wider than so many times the time itself says nothing worth
// remembering.
constexpr double kHopelessWidth = 0.5;

int64_t seconds_since_epoch() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

MachineLimits measure_limits(int threads) {
  MachineLimits limits{.threads = threads,
                       .read_bytes_per_second = measure_read_bandwidth(threads, 100),
                       .int8_operations_per_second = {}};
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx})
    if (const double peak = measure_int8_peak(isa, threads, 20); peak > 0)
      limits.int8_operations_per_second.emplace_back(isa, peak);
  return limits;
}

std::string microseconds(double seconds) {
  return fmt::format("{:.1f} us", 1e6 * seconds);
}

// One candidate of a contest: what it is, and what came of it.
struct Trial {
  Candidate candidate;
  double predicted_s = 0;
  Contestant run;

  std::string text() const {
    return fmt::format("{} {}", candidate.generator->name(), plan_name(candidate.plan));
  }
  Measurement measurement(const Standing& standing) const {
    return {.generator = std::string(candidate.generator->name()),
            .revision = candidate.generator->revision(),
            .plan = candidate.plan,
            .predicted_s = predicted_s,
            .median_s = standing.median_s,
            .low_s = standing.low_s,
            .high_s = standing.high_s,
            .samples = standing.samples};
  }
};

class Tuner {
 public:
  Tuner(const TuneRequest& request, const Profile& known, const TuneHooks& hooks)
      : request_(request), known_(known), hooks_(hooks) {}

  Result<TuneReport> run() {
    const double start_s = steady_now_s();
    std::vector<TuneJob> jobs = jobs_to_do();
    if (request_.budget_s <= 0) {
      report_.left = static_cast<int>(jobs.size());
      return std::move(report_);
    }
    Budget budget(request_.budget_s - (steady_now_s() - start_s), costs(jobs));
    for (size_t i = 0; i < jobs.size(); ++i) {
      report_.left = static_cast<int>(jobs.size() - i);
      if (is_cancelled() || budget.is_spent()) break;
      if (hooks_.progress)
        hooks_.progress({static_cast<int>(i), static_cast<int>(jobs.size()), jobs[i].text()});
      BITNETC_RETURN_IF_ERROR(tune_one(jobs[i], budget));
      if (report_.cancelled) break;
      --report_.left;
    }
    report_.took_s = steady_now_s() - start_s;
    return std::move(report_);
  }

 private:
  bool is_cancelled() {
    if (!report_.cancelled && hooks_.is_cancelled) report_.cancelled = hooks_.is_cancelled();
    return report_.cancelled;
  }
  void log(const std::string& line) const {
    if (hooks_.log) hooks_.log(line);
  }

  // What a quick search found is no answer to a full one.
  bool is_known(const ProfileEntry& entry, const MatmulSpec& spec) const {
    if (entry.field != current_field(spec, request_.target)) return false;
    return request_.effort == Effort::kQuick ||
           entry.measurements.size() > candidates(spec, request_.target, Effort::kQuick).size();
  }

  std::vector<TuneJob> jobs_to_do() {
    std::vector<TuneJob> jobs;
    for (const TuneJob& job : make_work_list(request_)) {
      const ProfileEntry* entry = known_.find(job.key(request_.target));
      if (entry != nullptr && !request_.again && is_known(*entry, job.spec)) {
        ++report_.known;
      } else {
        jobs.push_back(job);
      }
    }
    return jobs;
  }

  const MachineLimits& limits_with(int threads) {
    for (const MachineLimits& limits : request_.limits)
      if (limits.threads == threads) return limits;
    for (const MachineLimits& limits : measured_limits_)
      if (limits.threads == threads) return limits;
    return measured_limits_.emplace_back(measure_limits(threads));
  }

  std::vector<Trial> trials_of(const TuneJob& job) {
    std::vector<Trial> trials;
    for (const Candidate& candidate : candidates(job.spec, request_.target, request_.effort)) {
      const double predicted_s =
          predict(candidate, tuned_tokens(job.spec.m), limits_with(job.threads)).seconds();
      trials.push_back({.candidate = candidate, .predicted_s = predicted_s, .run = {}});
    }
    return trials;
  }

  // A contest takes some samples of each candidate, and those of big matrices are worth taking more
  // often.
  std::vector<double> costs(const std::vector<TuneJob>& jobs) {
    std::vector<double> list;
    double all_bytes = 0;
    for (const TuneJob& job : jobs)
      all_bytes += static_cast<double>(job.spec.weight_layout().total_bytes());
    for (const TuneJob& job : jobs) {
      const double mean_bytes = all_bytes / static_cast<double>(jobs.size());
      const auto bytes = static_cast<double>(job.spec.weight_layout().total_bytes());
      list.push_back(static_cast<double>(trials_of(job).size()) * (1 + bytes / mean_bytes));
    }
    return list;
  }

  MatmulWorkload& workload_for(const MatmulSpec& spec) {
    MatmulSpec shape = spec;
    shape.m = 1;
    if (!workload_ || shape != workload_shape_) {
      workload_.reset();
      workload_.emplace(shape, kTunedPromptTokens, streamed_weight_bytes(), weights_,
                        [this] { return is_cancelled(); });
      workload_shape_ = shape;
    }
    return *workload_;
  }

  ThreadPool& pool_of(int threads) {
    if (!pool_ || pool_->size() != threads) {
      pool_.reset();
      pool_ = std::make_unique<ThreadPool>(threads, true);
    }
    return *pool_;
  }

  Status tune_one(const TuneJob& job, Budget& budget) {
    const double start_s = steady_now_s();
    std::vector<Trial> trials = trials_of(job);
    KernelBuilder builder(request_.build);  // its kernels go with it: there are thousands in all
    Trials ready(workload_for(job.spec), builder, pool_of(job.threads), request_.target,
                 tuned_tokens(job.spec.m));
    std::vector<Entrant> entrants;
    for (Trial& trial : trials)
      entrants.push_back({.run = [&trial](int64_t calls) { return trial.run(calls); },
                          .predicted_s = trial.predicted_s,
                          .prepare = [&] { return prepare(job, trial, builder, ready); },
                          .is_default = &trial == &trials.front()});
    BITNETC_ASSIGN_OR_RETURN(
        const ContestResult contest,
        hold_contest(entrants, {.budget_s = budget.next_s(),
                                .stretch = 2,
                                .now_s = {},
                                .is_cancelled = [this] { return is_cancelled(); }}));
    if (contest.cancelled) return {};
    report_.measuring_s += contest.took_s;
    settle(job, trials, contest, steady_now_s() - start_s);
    budget.add_outside(steady_now_s() - start_s - contest.took_s);
    return {};
  }

  bool prepare(const TuneJob& job, Trial& trial, KernelBuilder& builder, Trials& ready) {
    const auto ready_to_run = [&]() -> Result<Contestant> {
      BITNETC_ASSIGN_OR_RETURN(const BuiltKernel built,
                               builder.build_with(trial.candidate.generator->name(),
                                                  trial.candidate.request(request_.target)));
      return ready.enter(built);
    }();
    if (ready_to_run.ok()) {
      trial.run = *ready_to_run;
      return true;
    }
    report_.failures.push_back(
        fmt::format("{}: {}: {}", job.text(), trial.text(), ready_to_run.status().message()));
    log(report_.failures.back());
    return false;
  }

  // Makes an entry of what a contest found, if it found something, and hands it out.
  void settle(const TuneJob& job, const std::vector<Trial>& trials, const ContestResult& contest,
              double took_s) {
    if (contest.standings.empty()) {
      ++report_.refused;
      log(fmt::format("{}: none of {} candidates could be measured", job.text(), trials.size()));
      return;
    }
    log_outcome(job, trials, contest);
    const Standing& best = contest.standings.front();
    if (contest.confidence == Confidence::kNoisy &&
        best.high_s - best.low_s > kHopelessWidth * best.median_s) {
      ++report_.refused;
      log(fmt::format("{}: not entered: the winner takes {} to {}; try again on a quieter machine",
                      job.text(), microseconds(best.low_s), microseconds(best.high_s)));
      return;
    }
    ProfileEntry entry{.key = job.key(request_.target),
                       .confidence = contest.confidence,
                       .measured_at_s = seconds_since_epoch(),
                       .took_s = took_s,
                       .field = current_field(job.spec, request_.target),
                       .measurements = {}};
    for (const Standing& standing : contest.standings)
      entry.measurements.push_back(trials[standing.entrant].measurement(standing));
    ++report_.tuned;
    if (contest.confidence == Confidence::kNoisy) ++report_.noisy;
    hand_out(entry);
  }

  void hand_out(const ProfileEntry& entry) {
    if (!hooks_.found) return;
    const Status stored = hooks_.found(entry);
    if (stored.ok() || !report_.stored.ok()) return;
    report_.stored = stored;
    log(fmt::format("entries are not stored: {}", stored.message()));
  }

  void log_outcome(const TuneJob& job, const std::vector<Trial>& trials,
                   const ContestResult& contest) const {
    if (!hooks_.log) return;
    const auto outcome = [&](const Standing& standing) {
      const Trial& trial = trials[standing.entrant];
      return fmt::format("{} {} ({} predicted)", trial.text(), microseconds(standing.median_s),
                         microseconds(trial.predicted_s));
    };
    const Standing* favourite = &contest.standings.front();
    for (const Standing& each : contest.standings)
      if (trials[each.entrant].predicted_s < trials[favourite->entrant].predicted_s)
        favourite = &each;
    std::string line = fmt::format(
        "{}, {} threads: {}; {}, {:.1f} % ahead; {} of {} candidates in {:.0f} ms, spread {:.0f} %",
        job.text(), job.threads, outcome(contest.standings.front()),
        confidence_name(contest.confidence), 100 * std::max(contest.lead - 1, 0.0),
        contest.standings.size(), trials.size(), 1e3 * contest.took_s, 100 * contest.disturbance);
    if (favourite != &contest.standings.front()) line += "; favourite " + outcome(*favourite);
    log(line);
  }

  const TuneRequest& request_;
  const Profile& known_;
  const TuneHooks& hooks_;
  TuneReport report_;
  std::vector<MachineLimits> measured_limits_;
  const std::shared_ptr<WeightMemory> weights_ =
      std::make_shared<WeightMemory>(WeightMemory::Pages::kSmall);
  std::optional<MatmulWorkload> workload_;
  MatmulSpec workload_shape_;
  std::unique_ptr<ThreadPool> pool_;
};

Status validate_request(const TuneRequest& request) {
  for (MatmulSpec shape : request.shapes) {
    shape.m = 1;
    BITNETC_RETURN_IF_ERROR(validate(KernelSpec(shape)));
  }
  for (const int threads : request.threads)
    if (threads < 1 || threads > usable_cpu_count())
      return make_error(StatusCode::kInvalidArgument, "{} threads: expected 1 to {}", threads,
                        usable_cpu_count());
  if (!(request.budget_s >= 0) || !std::isfinite(request.budget_s))
    return make_error(StatusCode::kInvalidArgument,
                      "a budget of {} s: expected a number of seconds from 0", request.budget_s);
  return {};
}

}  // namespace

Result<TuneReport> tune(const TuneRequest& request, const Profile& known, const TuneHooks& hooks) {
  BITNETC_RETURN_IF_ERROR(validate_request(request));
  try {
    return Tuner(request, known, hooks).run();
  } catch (const std::bad_alloc&) {
    return make_error(StatusCode::kOutOfMemory,
                      "tuning streams matrices from memory and got none for {} bytes of them",
                      streamed_weight_bytes());
  }
}

}  // namespace bitnetc
