#include "tools/engine/step_profile.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bitnetc {
namespace {

// The name of a step without the number of its layer.
std::string group_name(std::string_view step) {
  constexpr std::string_view kLayers = "layers.";
  if (!step.starts_with(kLayers)) return std::string(step);
  const size_t dot = step.find('.', kLayers.size());
  return std::string(dot == std::string_view::npos ? step : step.substr(dot + 1));
}

}  // namespace

void StepProfile::add(std::span<const StepTime> steps) {
  if (steps.empty()) return;
  PassProfile& profile = steps.front().rows == 1 ? single_ : batches_;
  ++profile.passes;
  profile.rows += steps.front().rows;
  profile.seconds += 1e-9 * static_cast<double>(steps.back().end_ns - steps.front().begin_ns);
  for (const StepTime& time : steps) {
    const std::string name = group_name(time.step->name());
    auto group = std::ranges::find(profile.groups, name, &StepGroup::name);
    if (group == profile.groups.end()) group = profile.groups.insert(group, {.name = name});
    ++group->runs;
    group->seconds += 1e-9 * static_cast<double>(time.end_ns - time.begin_ns);
    group->bytes += static_cast<double>(time.step->weight_bytes());
  }
  if (keeps_trace_) trace_.insert(trace_.end(), steps.begin(), steps.end());
}

Status StepProfile::write_trace(OutputFile& file) const {
  const int64_t start = trace_.empty() ? 0 : trace_.front().begin_ns;
  const auto microseconds = [](int64_t ns) { return static_cast<double>(ns) / 1e3; };
  BITNETC_RETURN_IF_ERROR(file.write("{\"traceEvents\":[\n"));
  for (size_t i = 0; i < trace_.size(); ++i) {
    const StepTime& time = trace_[i];
    const nlohmann::ordered_json event = {
        {"name", time.step->name()},
        {"cat", time.step->operation()},
        {"ph", "X"},
        {"ts", microseconds(time.begin_ns - start)},
        {"dur", microseconds(time.end_ns - time.begin_ns)},
        {"pid", 1},
        {"tid", 1},
        {"args", {{"kernel", time.step->kernel(time.rows).name()}, {"rows", time.rows}}}};
    BITNETC_RETURN_IF_ERROR(file.write(event.dump() + (i + 1 < trace_.size() ? ",\n" : "\n")));
  }
  BITNETC_RETURN_IF_ERROR(file.write("]}\n"));
  return file.finish();
}

}  // namespace bitnetc
