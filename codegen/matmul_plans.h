// The plans of matmul kernels for CPUs, as their generators read them. Both structs convert to a
// KernelPlan; from() reads one that check_plan() allows, and takes the default for what is not in
// it.
#pragma once

#include "codegen/kernel_plan.h"

namespace bitnetc {

// Kernels that decode into registers or look sums up: "t1u8p8192".
struct DirectPlan {
  int tiles_per_step = 1;  // row tiles (of kTileRows) carried through one pass over K
  int k_unroll = 4;        // units of 16 columns per loop iteration
  int prefetch_bytes = 0;  // software prefetch distance into the weights of a tile; 0: none

  static constexpr DirectPlan from(const KernelPlan& plan);
  constexpr operator KernelPlan() const;  // NOLINT(google-explicit-constructor)
  bool operator==(const DirectPlan&) const = default;
};

// Kernels that decode into a panel, for any number of tokens: "t4u4p2048k384".
struct PanelPlan {
  int tiles_per_step = 1;
  int k_unroll = 4;  // groups of 4 columns of a panel per loop iteration
  int prefetch_bytes = 0;
  int block_k = 0;  // columns decoded into a panel at a time; 0: the generator's own choice
  int tokens = 0;   // tokens carried through one pass over a panel; 0: the generator's own choice

  static constexpr PanelPlan from(const KernelPlan& plan);
  constexpr operator KernelPlan() const;  // NOLINT(google-explicit-constructor)
  bool operator==(const PanelPlan&) const = default;
};

// ---- their fields; a family says which values are worth trying

constexpr PlanField tiles_field(std::span<const int> worth_trying = {}) {
  return {.letter = 't',
          .name = "tiles_per_step",
          .meaning = "row tiles that share a pass over K: outputs in registers",
          .standard = DirectPlan().tiles_per_step,
          .worth_trying = worth_trying};
}
constexpr PlanField unroll_field(std::span<const int> worth_trying = {}) {
  return {.letter = 'u',
          .name = "k_unroll",
          .meaning = "16 columns of packed weights per iteration; of a panel, groups of 4",
          .standard = DirectPlan().k_unroll,
          .worth_trying = worth_trying};
}
constexpr PlanField prefetch_field(std::span<const int> worth_trying = {}) {
  return {.letter = 'p',
          .name = "prefetch_bytes",
          .meaning = "ahead in the packed weights of every tile",
          .standard = DirectPlan().prefetch_bytes,
          .worth_trying = worth_trying};
}
constexpr PlanField block_field(std::span<const int> worth_trying = {}) {
  return {.letter = 'k',
          .name = "block_k",
          .meaning = "columns that are decoded into a panel at a time; else all of K",
          .standard = PanelPlan().block_k,
          .is_optional = true,
          .worth_trying = worth_trying};
}
constexpr PlanField tokens_field(std::span<const int> worth_trying = {}) {
  return {.letter = 'm',
          .name = "tokens",
          .meaning = "tokens that share a pass over a panel; else all m, in registers",
          .standard = PanelPlan().tokens,
          .is_optional = true,
          .worth_trying = worth_trying};
}

// Of code that is not generated: it takes any plan of the above and depends on none.
inline constexpr PlanField kIgnoredFields[] = {tiles_field(), unroll_field(), prefetch_field(),
                                               block_field(), tokens_field()};

// ---- conversions

constexpr DirectPlan DirectPlan::from(const KernelPlan& plan) {
  constexpr DirectPlan kDefault;
  return {.tiles_per_step = plan.find('t').value_or(kDefault.tiles_per_step),
          .k_unroll = plan.find('u').value_or(kDefault.k_unroll),
          .prefetch_bytes = plan.find('p').value_or(kDefault.prefetch_bytes)};
}

constexpr DirectPlan::operator KernelPlan() const {
  KernelPlan plan;
  plan.append({'t', tiles_per_step});
  plan.append({'u', k_unroll});
  plan.append({'p', prefetch_bytes});
  return plan;
}

constexpr PanelPlan PanelPlan::from(const KernelPlan& plan) {
  const DirectPlan direct = DirectPlan::from(plan);
  return {.tiles_per_step = direct.tiles_per_step,
          .k_unroll = direct.k_unroll,
          .prefetch_bytes = direct.prefetch_bytes,
          .block_k = plan.find('k').value_or(0),
          .tokens = plan.find('m').value_or(0)};
}

constexpr PanelPlan::operator KernelPlan() const {
  KernelPlan plan = DirectPlan{tiles_per_step, k_unroll, prefetch_bytes};
  if (block_k != 0) plan.append({'k', block_k});
  if (tokens != 0) plan.append({'m', tokens});
  return plan;
}

}  // namespace bitnetc
