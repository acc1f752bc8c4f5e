#include "autotune/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <new>
#include <optional>

#include "autotune/tuning/trials.h"
#include "autotune/usage.h"
#include "compiler/chosen_kernel.h"

namespace bitnetc {
namespace {

class Comparer {
 public:
  Comparer(const CompareRequest& request, const CompareHooks& hooks)
      : request_(request), hooks_(hooks), pool_(request.threads, true) {}

  Result<Comparison> run() {
    const auto total = static_cast<int>(request_.specs.size());
    for (const MatmulSpec& spec : request_.specs) {
      if (is_cancelled()) break;
      if (hooks_.progress)
        hooks_.progress(static_cast<int>(result_.specs.size()), total, spec_name(spec));
      BITNETC_ASSIGN_OR_RETURN(ComparedSpec compared, compare(spec));
      if (!result_.cancelled) result_.specs.push_back(std::move(compared));
    }
    for (size_t i = 0; i < request_.sources.size(); ++i)
      result_.geometric_means.push_back(geometric_mean(i));
    return std::move(result_);
  }

 private:
  bool is_cancelled() {
    if (!result_.cancelled && hooks_.is_cancelled) result_.cancelled = hooks_.is_cancelled();
    return result_.cancelled;
  }

  // What is needed to run kernels of one layout.
  struct Ground {
    Ground(const MatmulSpec& spec, std::shared_ptr<WeightMemory> memory, KernelBuilder& builder,
           ThreadPool& pool, const Target& target, const std::function<bool()>& is_cancelled)
        : workload(spec, tuned_tokens(spec.m), streamed_weight_bytes(), std::move(memory),
                   is_cancelled),
          trials(workload, builder, pool, target, tuned_tokens(spec.m)) {}
    MatmulWorkload workload;
    Trials trials;
  };

  Result<ComparedSpec> compare(const MatmulSpec& spec) {
    KernelBuilder builder(request_.build);
    std::map<LayoutId, Ground> grounds;
    std::vector<Contestant> contestants;
    std::map<std::string, size_t> contestant_of;  // by kernel, which its name tells apart
    ComparedSpec compared{.spec = spec, .choices = {}};
    for (const NamedPlans& source : request_.sources) {
      MatmulSpec own = spec;
      if (request_.choose_layouts) own.layout = source.plans->layout_for(spec, request_.target);
      BITNETC_ASSIGN_OR_RETURN(const BuiltKernel built, build(own, *source.plans, builder));
      const std::string& name = built.kernel.name();
      compared.choices.push_back({.layout = own.layout,
                                  .choice = source.plans->choose(own, request_.target),
                                  .kernel = name,
                                  .seconds = {},
                                  .ratio = {}});
      if (contestant_of.contains(name)) continue;
      Ground& ground = grounds
                           .try_emplace(own.layout, own, memory_[own.layout], builder, pool_,
                                        request_.target, [this] { return is_cancelled(); })
                           .first->second;
      if (is_cancelled()) return compared;  // the memory is not filled
      auto contestant = ground.trials.enter(built);
      BITNETC_RETURN_IF_ERROR(contestant.status().with_context(source.name));
      contestant_of[name] = contestants.size();
      contestants.push_back(*std::move(contestant));
    }
    const auto rounds = sample_rounds(
        contestants, {.budget_s = request_.budget_s / static_cast<double>(request_.specs.size()),
                      .min_rounds = 9,
                      .now_s = {},
                      .is_cancelled = [this] { return is_cancelled(); }});
    const std::vector<double>& first = rounds[contestant_of[compared.choices.front().kernel]];
    for (ComparedChoice& choice : compared.choices) {
      const std::vector<double>& own = rounds[contestant_of[choice.kernel]];
      std::vector<double> ratios;
      for (size_t i = 0; i < std::min(own.size(), first.size()); ++i)
        ratios.push_back(own[i] / first[i]);
      choice.seconds = median_interval(own, kConfidence);
      choice.ratio = median_interval(std::move(ratios), kConfidence);
    }
    return compared;
  }

  Result<BuiltKernel> build(const MatmulSpec& spec, const PlanSource& plans,
                            KernelBuilder& builder) const {
    MatmulSpec any_m = spec;
    any_m.m = kAnyM;
    return build_chosen(builder, spec, plans.choose(spec, request_.target),
                        plans.choose(any_m, request_.target).plan, request_.target);
  }

  double geometric_mean(size_t source) const {
    double sum = 0;
    for (const ComparedSpec& each : result_.specs)
      sum += std::log(each.choices[source].ratio.median);
    return result_.specs.empty() ? 0 : std::exp(sum / static_cast<double>(result_.specs.size()));
  }

  static constexpr double kConfidence = 0.95;
  const CompareRequest& request_;
  const CompareHooks& hooks_;
  ThreadPool pool_;
  std::map<LayoutId, std::shared_ptr<WeightMemory>> memory_ = [] {
    std::map<LayoutId, std::shared_ptr<WeightMemory>> memory;
    for (const LayoutId layout : kLayouts)
      memory[layout] = std::make_shared<WeightMemory>(WeightMemory::Pages::kSmall);
    return memory;
  }();
  Comparison result_;
};

Status validate_request(const CompareRequest& request) {
  for (const MatmulSpec& spec : request.specs) BITNETC_RETURN_IF_ERROR(validate(KernelSpec(spec)));
  if (request.sources.size() < 2)
    return make_error(StatusCode::kInvalidArgument,
                      "{} sources of plans to compare: expected two at least",
                      request.sources.size());
  if (request.threads < 1 || request.threads > usable_cpu_count())
    return make_error(StatusCode::kInvalidArgument, "{} threads: expected 1 to {}", request.threads,
                      usable_cpu_count());
  return {};
}

}  // namespace

Result<Comparison> compare_choices(const CompareRequest& request, const CompareHooks& hooks) {
  BITNETC_RETURN_IF_ERROR(validate_request(request));
  try {
    return Comparer(request, hooks).run();
  } catch (const std::bad_alloc&) {
    return make_error(StatusCode::kOutOfMemory,
                      "comparing streams matrices from memory and got none for {} bytes of them",
                      streamed_weight_bytes());
  }
}

}  // namespace bitnetc
