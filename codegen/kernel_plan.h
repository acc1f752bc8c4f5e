// How a kernel computes: all that a tuner may change without changing a bit of the result. A plan
// is a short list of fields, a letter and a number each; what they mean, which there are and in
// what order says the family of kernels that the plan is for (PlanField). Its text is part of the
// kernel's name, so a plan can be read off a log line: "t1u8p8192".
#pragma once

#include <array>
#include <compare>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

class KernelPlan {
 public:
  static constexpr size_t kMostFields = 8;
  struct Field {
    char letter = 0;
    int value = 0;
    auto operator<=>(const Field&) const = default;
  };

  // No fields: whatever is the default of the family.
  constexpr KernelPlan() = default;

  constexpr void append(Field field) {
    BITNETC_CHECK(count_ < kMostFields, "field {} of a plan", field.letter);
    fields_[count_++] = field;
  }
  constexpr bool empty() const { return count_ == 0; }
  constexpr std::span<const Field> fields() const { return {fields_.data(), count_}; }
  constexpr std::optional<int> find(char letter) const {
    for (const Field& each : fields())
      if (each.letter == letter) return each.value;
    return std::nullopt;
  }

  auto operator<=>(const KernelPlan&) const = default;

 private:
  std::array<Field, kMostFields>
      fields_{};  // behind count_: all 0, so that plans compare as arrays
  size_t count_ = 0;
};

// "t1u4p0"; "t4u1p0k512m6". No fields: no text.
std::string plan_name(const KernelPlan& plan);
// Whether a family has such fields says check_plan. Error: kInvalidArgument naming the text and the
// form that was expected.
Result<KernelPlan> parse_plan(std::string_view name);

// A field that the plans of a family have.
struct PlanField {
  char letter;               // in names: 't'
  std::string_view name;     // in messages: "tiles_per_step"
  std::string_view meaning;  // in words
  int standard = 0;          // where nobody says otherwise
  // Whether a plan leaves the field out where it is `standard`; the others are always there.
  bool is_optional = false;
  // Ascending. None: the code does not depend on the field.
  std::span<const int> worth_trying = {};

  int of(const KernelPlan& plan) const { return plan.find(letter).value_or(standard); }
};
// All fields of a family, in the order of names.
using PlanFields = std::span<const PlanField>;

const PlanField* find_field(PlanFields fields, char letter);  // null: the family has no such field
// Every field at its standard value.
KernelPlan default_plan(PlanFields fields);
// `plan`, or the default where it has no fields.
KernelPlan plan_or_default(const KernelPlan& plan, PlanFields fields);
// `plan` with another value of one field; those that it leaves out are at their standard values.
KernelPlan with_value(PlanFields fields, const KernelPlan& plan, char letter, int value);
// Error: kUnsupported naming the field, the plan and the family: the family has no such field, the
// plan lacks one, has it in another place, or says what leaving it out says.
Status check_plan(const KernelPlan& plan, PlanFields fields, std::string_view family);

}  // namespace bitnetc
