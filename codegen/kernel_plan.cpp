#include "codegen/kernel_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace bitnetc {
namespace {

template <typename... Args>
Status refuse(const KernelPlan& plan, fmt::format_string<Args...> format, Args&&... args) {
  return Status(StatusCode::kUnsupported, fmt::format("plan {}: ", plan_name(plan)) +
                                              fmt::format(format, std::forward<Args>(args)...));
}

std::string letters(PlanFields fields) {
  std::string text;
  for (const PlanField& each : fields)
    fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : " ", each.letter);
  return text;
}

}  // namespace

std::string plan_name(const KernelPlan& plan) {
  std::string name;
  for (const auto& [letter, value] : plan.fields())
    fmt::format_to(std::back_inserter(name), "{}{}", letter, value);
  return name;
}

Result<KernelPlan> parse_plan(std::string_view name) {
  KernelPlan plan;
  const char* at = name.data();
  const char* const end = at + name.size();
  while (at != end && *at >= 'a' && *at <= 'z' && !plan.find(*at) &&
         plan.fields().size() < KernelPlan::kMostFields) {
    KernelPlan::Field field{.letter = *at};
    const auto [stop, error] = std::from_chars(at + 1, end, field.value);
    if (error != std::errc()) break;
    plan.append(field);
    at = stop;
  }
  if (plan.empty() || at != end || plan_name(plan) != name)
    return make_error(StatusCode::kInvalidArgument,
                      "kernel plan '{}': expected letters with a number each, such as t1u4p0",
                      name);
  return plan;
}

const PlanField* find_field(PlanFields fields, char letter) {
  const auto at = std::ranges::find(fields, letter, &PlanField::letter);
  return at != fields.end() ? &*at : nullptr;
}

KernelPlan default_plan(PlanFields fields) {
  KernelPlan plan;
  for (const PlanField& each : fields)
    if (!each.is_optional) plan.append({each.letter, each.standard});
  return plan;
}

KernelPlan plan_or_default(const KernelPlan& plan, PlanFields fields) {
  return plan.empty() ? default_plan(fields) : plan;
}

KernelPlan with_value(PlanFields fields, const KernelPlan& plan, char letter, int value) {
  KernelPlan changed;
  for (const PlanField& each : fields) {
    const int its_value = each.letter == letter ? value : each.of(plan);
    if (!each.is_optional || its_value != each.standard) changed.append({each.letter, its_value});
  }
  return changed;
}

Status check_plan(const KernelPlan& plan, PlanFields fields, std::string_view family) {
  if (plan.empty()) return {};
  for (const auto& [letter, value] : plan.fields()) {
    const PlanField* const field = find_field(fields, letter);
    if (field == nullptr)
      return refuse(plan, "{} has no field {}, its fields are {}", family, letter, letters(fields));
    if (field->is_optional && value == field->standard)
      return refuse(plan, "{} of {} is {} where field {} is left out", field->name, family, value,
                    letter);
  }
  for (const PlanField& each : fields)
    if (!each.is_optional && !plan.find(each.letter))
      return refuse(plan, "{} needs field {} ({})", family, each.letter, each.name);
  // Its fields are ours, and so is their order, if writing them in our order changes nothing.
  if (with_value(fields, plan, 0, 0) != plan)
    return refuse(plan, "the fields of {} come in the order {}", family, letters(fields));
  return {};
}

}  // namespace bitnetc
