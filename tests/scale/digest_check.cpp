#include "tests/scale/digest_check.h"

#include <fmt/format.h>

#include <set>

#include "runtime/compiled_model.h"
#include "runtime/cpu_features.h"
#include "tests/scale/trace.h"
#include "tools/engine/engine.h"

namespace bitnetc::test {
namespace {

class DigestCheck {
 public:
  DigestCheck(const DigestRequest& request, const std::function<void(const std::string&)>& say)
      : request_(request), say_(say) {}

  Result<DigestReport> run();

 private:
  std::string compiled(LayoutId layout, bool skip_neurons) const {
    return fmt::format("{}/{}{}.bnc", request_.folder, layout_name(layout),
                       skip_neurons ? "-sparse" : "");
  }
  std::string compiled(const Settings& settings) const {
    return compiled(settings.layout, settings.skip_neurons);
  }
  Status compile_layouts() const;
  Status compare(const Settings& settings, const Story& story, const Trace& plain);

  const DigestRequest& request_;
  const std::function<void(const std::string&)>& say_;
  DigestReport report_;
};

Status DigestCheck::compile_layouts() const {
  std::vector<LayoutId> layouts = request_.factors.layouts;
  layouts.push_back(plain_settings().layout);
  for (const LayoutId layout : std::set(layouts.begin(), layouts.end())) {
    EngineOptions options;
    options.plan.layout = layout_name(layout);
    for (const bool skip_neurons : {false, true})
      BITNETC_RETURN_IF_ERROR(compile_model({.source_path = request_.source,
                                             .output_path = compiled(layout, skip_neurons),
                                             .skip_neurons = skip_neurons},
                                            options));
    say_(fmt::format("compiled in {}", layout_name(layout)));
  }
  return {};
}

Status DigestCheck::compare(const Settings& settings, const Story& story, const Trace& plain) {
  BITNETC_ASSIGN_OR_RETURN(const Trace trace, run_story(compiled(settings), settings, story));
  report_.runs += 1;
  report_.guessed += trace.guessed;
  report_.guessed_right += trace.guessed_right;
  report_.screened_passes += trace.screened_passes;
  report_.skipping_runs += trace.skips_neurons;
  const std::string difference = first_difference(plain, trace);
  if (!difference.empty())
    report_.differences.push_back(fmt::format("{}: against {}: {}", settings.describe(),
                                              plain_settings().describe(), difference));
  const std::string repacked =
      trace.repacked > 0 ? fmt::format(", {} kinds of matrices repacked", trace.repacked) : "";
  say_(fmt::format("{}: {}{}{}", settings.describe(), trace.digests(), repacked,
                   difference.empty() ? "" : ", DIFFERENT"));
  return {};
}

Result<DigestReport> DigestCheck::run() {
  BITNETC_RETURN_IF_ERROR(compile_layouts());
  const Settings settings = plain_settings();
  BITNETC_ASSIGN_OR_RETURN(const auto model, CompiledModel::open(compiled(settings)));
  const Story story =
      make_story(model->description().config.vocab_size, request_.prompt_tokens, request_.steps);
  BITNETC_ASSIGN_OR_RETURN(const Trace plain, run_story(compiled(settings), settings, story));
  say_(fmt::format("expected, {}: {}", settings.describe(), plain.digests()));
  for (const Settings& each : covering_settings(request_.factors))
    BITNETC_RETURN_IF_ERROR(compare(each, story, plain));
  return std::move(report_);
}

}  // namespace

Result<DigestReport> check_digests(const DigestRequest& request,
                                   const std::function<void(const std::string&)>& say) {
  return DigestCheck(request, say).run();
}

}  // namespace bitnetc::test
