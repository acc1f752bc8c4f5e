#include "tools/bitnetc/autotune_compare.h"

#include <deque>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "autotune/compare.h"
#include "tools/bitnetc/arguments.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"
#include "tools/bitnetc/text_input.h"
#include "tools/engine/machine_plans.h"

namespace bitnetc {
namespace {

// The plan sources of a comparison and what they refer to; the first one is what the others are
// held against.
class Contenders {
 public:
  Contenders(int threads, Usage usage, CommandContext& context)
      : threads_(threads),
        usage_(usage),
        here_(context.options.cache_dir, threads, usage, context.notes) {
    named_.push_back({"this machine's", &here_.source()});
    named_.push_back({"heuristic", &heuristic_});
  }

  Status add_file(const std::string& file) {
    BITNETC_ASSIGN_OR_RETURN(const std::string text, read_text(file));
    std::vector<std::string> problems;
    BITNETC_ASSIGN_OR_RETURN(Profile profile, parse_profile(text, file, problems));
    for (const std::string& problem : problems) print_note(problem);
    const Profile& kept = profiles_.emplace_back(std::move(profile));
    named_.push_back(
        {std::filesystem::path(file).filename(), &sources_.emplace_back(kept, threads_, usage_)});
    return {};
  }

  const std::vector<NamedPlans>& named() const { return named_; }

 private:
  const int threads_;
  const Usage usage_;
  const MachinePlans here_;
  const HeuristicPlanSource heuristic_;
  std::deque<Profile> profiles_;  // sources refer to them
  std::deque<ProfilePlanSource> sources_;
  std::vector<NamedPlans> named_;
};

std::vector<MatmulSpec> kernels_of(const TuneRequest& request) {
  std::vector<MatmulSpec> specs;
  for (MatmulSpec spec : request.shapes) {
    for (const LayoutId layout : kLayouts) {
      if (!request.layouts.empty() &&
          std::ranges::find(request.layouts, layout) == request.layouts.end())
        continue;
      spec.layout = layout;
      for (spec.m = kAnyM; spec.m <= kMaxSmallM; ++spec.m) specs.push_back(spec);
    }
  }
  return specs;
}

void print_text(const Comparison& comparison, const std::vector<NamedPlans>& sources) {
  for (const ComparedSpec& spec : comparison.specs) {
    print_out("{}\n", spec_name(spec.spec));
    for (size_t i = 0; i < sources.size(); ++i) {
      const ComparedChoice& choice = spec.choices[i];
      print_out("  {:<20} {:>9.1f} us  {:>6.3f}  {}\n", sources[i].name,
                1e6 * choice.seconds.median, choice.ratio.median, choice.kernel);
    }
  }
  print_out("\ntime over that of {} choices, geometric mean of {} kernels:\n", sources[0].name,
            comparison.specs.size());
  for (size_t i = 1; i < sources.size(); ++i)
    print_out("  {:<20} {:.3f}\n", sources[i].name, comparison.geometric_means[i]);
}

void print_json(const Comparison& comparison, const std::vector<NamedPlans>& sources) {
  nlohmann::json rows = nlohmann::json::array(), means = nlohmann::json::object();
  for (const ComparedSpec& spec : comparison.specs) {
    nlohmann::json row = {{"spec", spec_name(spec.spec)}};
    for (size_t i = 0; i < sources.size(); ++i)
      row["choices"].push_back({{"source", sources[i].name},
                                {"kernel", spec.choices[i].kernel},
                                {"seconds", spec.choices[i].seconds.median},
                                {"ratio", spec.choices[i].ratio.median}});
    rows.push_back(std::move(row));
  }
  for (size_t i = 0; i < sources.size(); ++i)
    means[sources[i].name] = comparison.geometric_means[i];
  write_json("comparison", 1, {{"geometric_means", means}, {"kernels", rows}});
}

}  // namespace

Result<int> compare_profiles(const TuneRequest& request, const std::vector<std::string>& files,
                             Usage usage, bool json, CommandContext& context) {
  const int threads = request.threads.front();
  Contenders contenders(threads, usage, context);
  for (const std::string& file : files) BITNETC_RETURN_IF_ERROR(contenders.add_file(file));
  ProgressBar bar("comparing");
  give_time_to_report();
  const CompareHooks hooks{
      .progress = [&](int done, int total,
                      const std::string& what) { bar.update(done, total, what); },
      .is_cancelled = is_interrupted};
  BITNETC_ASSIGN_OR_RETURN(const Comparison comparison,
                           compare_choices({.sources = contenders.named(),
                                            .specs = kernels_of(request),
                                            .threads = threads,
                                            .target = request.target,
                                            .build = request.build,
                                            .budget_s = request.budget_s},
                                           hooks));
  bar.finish();
  stop_gracefully();
  json ? print_json(comparison, contenders.named()) : print_text(comparison, contenders.named());
  return static_cast<int>(comparison.cancelled ? kExitInterrupted : kExitOk);
}

}  // namespace bitnetc
