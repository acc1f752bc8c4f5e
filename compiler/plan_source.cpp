#include "compiler/plan_source.h"

#include <algorithm>
#include <utility>

#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"

namespace bitnetc {
namespace {

// The figures behind every constant here stand in docs/decisions/0014-rules-of-thumb-for-plans.md.

// A quarter of a 1 MiB L2, which matrices share.
constexpr int64_t kCachedBytes = 256 << 10;

// ---- kernels that decode into registers

// The tiles of a pass are as many streams from memory, and share broadcasts; a matrix that stays in
// L2 needs no prefetch.
constexpr int kAheadBytes = 4096;
constexpr DirectPlan kCachedPlan{.tiles_per_step = 4, .k_unroll = 4};
// 256-bit registers hold the sums of two tiles for one token, of one for more.
constexpr DirectPlan kYmmPairPlan{
    .tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = kAheadBytes};
constexpr DirectPlan kYmmPlan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 8192};
// Word layouts in 256-bit registers: long loops leave the cache of decoded instructions.
constexpr DirectPlan kYmmWordsPlan{.tiles_per_step = 1, .k_unroll = 2, .prefetch_bytes = 8192};

DirectPlan avx512_vnni_plan(const MatmulSpec& spec) {
  const bool is_cached = spec.m <= 2 && spec.layout == LayoutId::kI2S &&
                         spec.weight_layout().total_bytes() <= kCachedBytes;
  if (is_cached) return kCachedPlan;
  return {.tiles_per_step = spec.m <= 4 ? 4 : 2, .k_unroll = 4, .prefetch_bytes = kAheadBytes};
}

DirectPlan direct_plan(const MatmulSpec& spec, const Target& target) {
  if (target.supports(Isa::kAvx512Vnni)) return avx512_vnni_plan(spec);
  if (spec.layout != LayoutId::kI2S) return kYmmWordsPlan;
  return spec.m == 1 ? kYmmPairPlan : kYmmPlan;
}

// ---- LUT kernels

// The tiles of a tile group share each lookup table; each line is prefetched every 2 KiB of the
// distance (docs/decisions/0005-look-ups-share-their-tables.md).
DirectPlan lut_plan(LayoutId layout, const Target& target) {
  if (!target.supports(Isa::kAvx512Vnni))
    return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 4096};
  if (layout == LayoutId::kTl2)
    return {.tiles_per_step = 4, .k_unroll = 1, .prefetch_bytes = 20480};
  return {.tiles_per_step = 8, .k_unroll = 1, .prefetch_bytes = 12288};
}

// ---- kernels for any number of tokens

// 2 KiB ahead is about the next chunk of a tile. Short chunks keep the panel near, long ones write
// their sums less often. AVX2 takes the 256 columns that its int16 sums hold. With AMX
// the panel and the columns of 32 tokens share L1.
PanelPlan panel_plan(const Target& target) {
  if (target.supports(Isa::kAmx))
    return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 4096, .block_k = 512};
  if (target.supports(Isa::kAvx512Vnni))
    return {.tiles_per_step = 4, .k_unroll = 4, .prefetch_bytes = 2048, .block_k = 384};
  if (target.supports(Isa::kAvxVnni))
    return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 2048, .block_k = 384};
  return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 2048};
}

// ---- which family

// Whether the kernel for one token is a LUT kernel. Where a tier decodes tl1 and tl2 in registers
// that is faster; b3 is faster by lookup tables where a tier has neither VBMI nor the multiplier of
// AVX-VNNI.
bool is_looked_up(const MatmulSpec& spec, const Target& target) {
  if (spec.m != 1) return false;
  const bool has_avx512 = target.supports(Isa::kAvx512Vnni);
  const bool has_vbmi = has_avx512 && target.has(Feature::kAvx512Vbmi);
  switch (spec.layout) {
    case LayoutId::kB3: return has_avx512 ? !has_vbmi : !target.supports(Isa::kAvxVnni);
    case LayoutId::kTl2: return has_avx512 && !has_vbmi;
    default: return false;
  }
}

// From three tokens on AVX2 is as fast or faster by way of a panel with tl2.
bool is_tl2_by_panel(const MatmulSpec& spec, const Target& target) {
  const bool has_wider_kernel =
      target.supports(Isa::kAvxVnni) ||
      (target.supports(Isa::kAvx512Vnni) && target.has(Feature::kAvx512Vbmi));
  return spec.layout == LayoutId::kTl2 && (spec.m == 3 || spec.m == 4) && !has_wider_kernel;
}

KernelChoice choice_for(const MatmulSpec& spec, const Target& target) {
  if (spec.m == kAnyM) return {.plan = panel_plan(target)};
  if (is_looked_up(spec, target)) return {.plan = lut_plan(spec.layout, target)};
  if (is_tl2_by_panel(spec, target) && target.supports(Isa::kAvx2))
    return {.plan = panel_plan(target), .generator = "x64_panel_avx2"};
  return {.plan = direct_plan(spec, target)};
}

constexpr std::pair<ChoiceOrigin, std::string_view> kOriginNames[] = {
    {ChoiceOrigin::kHeuristic, "heuristic"},
    {ChoiceOrigin::kModelled, "modelled"},
    {ChoiceOrigin::kTransferred, "transferred"},
    {ChoiceOrigin::kMeasured, "measured"}};

}  // namespace

std::string_view origin_name(ChoiceOrigin origin) {
  for (const auto& [each, name] : kOriginNames)
    if (each == origin) return name;
  return "?";
}

std::optional<ChoiceOrigin> parse_origin(std::string_view name) {
  for (const auto& [origin, each] : kOriginNames)
    if (each == name) return origin;
  return std::nullopt;
}

std::string print_choice(const KernelChoice& choice) {
  std::string text = plan_name(choice.plan);
  if (choice.origin != ChoiceOrigin::kHeuristic || !choice.generator.empty())
    text += fmt::format(" {}", origin_name(choice.origin));
  if (!choice.generator.empty()) text += " " + choice.generator;
  return text;
}

Result<KernelChoice> parse_choice(std::string_view text) {
  std::string_view rest = text;
  const auto next_word = [&] {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    return word;
  };
  BITNETC_ASSIGN_OR_RETURN(const KernelPlan plan, parse_plan(next_word()));
  KernelChoice choice{.plan = plan};
  choice.origin = parse_origin(next_word()).value_or(ChoiceOrigin::kHeuristic);
  choice.generator = next_word();
  if (print_choice(choice) == text) return choice;
  return make_error(StatusCode::kInvalidArgument,
                    "kernel choice '{}': expected a form such as 't1u4p0' or 't1u4p0 measured "
                    "x64_matmul_i2s_avx2'",
                    text);
}

KernelPlan HeuristicPlanSource::plan_for(const Generator& generator, const MatmulSpec& spec,
                                         const Target& target) {
  if (spec.m == kAnyM) return panel_plan(target);
  if (generator.table_form(spec) != TableForm::kNone) return lut_plan(spec.layout, target);
  return direct_plan(spec, target);
}

KernelChoice HeuristicPlanSource::choose(const KernelSpec& spec, const Target& target) const {
  const auto* matmul = std::get_if<MatmulSpec>(&spec);
  return matmul != nullptr ? choice_for(*matmul, target) : KernelChoice{};
}

// Every tier has kernels for i2_s, and decodes it with one mask per plane.
LayoutId HeuristicPlanSource::layout_for(const MatmulSpec&, const Target&) const {
  return LayoutId::kI2S;
}

}  // namespace bitnetc
