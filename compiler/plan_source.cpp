#include "compiler/plan_source.h"

#include <algorithm>
#include <utility>

namespace bitnetc {
namespace {

// docs/decisions/0001 and 0004 have the measurements: eight 16-column cells an iteration hide the loop. How far ahead is
// a matter of the machine: on AMD EPYC 7003 distances from 2 to 64 KiB differ little, on Zen 5 13824 x 2560 takes one
// token 267 us with 3 KiB and 243 with 8 (AVX2), 236 and 194 (AVX-VNNI). Two tiles a step gain from L2 and make no
// difference end to end.
constexpr KernelPlan kYmmPlan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 8192};

// One token: from memory one stream beats two or four. AMD EPYC Zen 5, one thread, 2560 x 2560, i2_s, 136 G weights/s
// with one tile and 8 KiB ahead, 128 with 3 KiB, 112 and less with two tiles; tl1 152 and tl2 173 with 8 KiB ahead,
// 148 and 159 with 4 KiB. A matrix that stays in L2 needs no prefetch, and four tiles share the broadcasts: i2_s 507
// G weights/s against 410 with one token, 514 against 430 with two.
constexpr KernelPlan kStreamedPlan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 8192};
constexpr KernelPlan kCachedPlan{.tiles_per_step = 4, .k_unroll = 4};
constexpr int64_t kCachedBytes = 256 << 10;  // a quarter of a 1 MiB L2: matrices share it

// A few tokens: a pair of tiles shares its broadcasts and is prefetched while the pair before it is worked on. From one
// tile's bytes on every line of both is asked for once; nearer, the first ones of the next pair are left out. As
// above, 3840 x 2560, microseconds with 2, 4 and 8 tokens:
//                                  tl1             tl2             b3
//   one tile, 4 KiB ahead           67  88 163      64  96 173      87 128 219
//   two tiles, 4 KiB ahead         123 159 173      96 165 235     140 217 334
//   two tiles, 7/8 of a pair        68  84 164      58  85 165      84 125 206
// A whole pair is a hundredth slower. docs/decisions/0008 has more.
KernelPlan pair_plan(const MatmulSpec& spec) {
  constexpr int64_t kMostBytes = 256 << 10;  // a quarter of a 1 MiB L2
  const int64_t ahead_bytes = 2 * spec.weight_layout().tile_bytes() * 7 / 8;
  return {.tiles_per_step = 2,
          .k_unroll = 4,
          .prefetch_bytes = static_cast<int>(std::min(ahead_bytes, kMostBytes))};
}

// The same in 256-bit registers. AMD EPYC Zen 5, 3840 x 2560 from memory: tl1, one token, AVX-VNNI, 4 and 8 KiB ahead
// 133 and 142 G weights/s; tl1, four tokens, AVX2, loops of 2, 4 and 8 cells 241, 243 and 249 us: code that
// weights drove from the cache comes back line by line.
constexpr KernelPlan kYmmWordsPlan{.tiles_per_step = 1, .k_unroll = 2, .prefetch_bytes = 8192};

KernelPlan avx512_vnni_plan(const MatmulSpec& spec) {
  const bool is_i2s = spec.layout == LayoutId::kI2S;
  if (spec.m > 2 || (spec.m == 2 && !is_i2s)) return pair_plan(spec);
  const bool is_cached = is_i2s && spec.weight_layout().total_bytes() <= kCachedBytes;
  return is_cached ? kCachedPlan : kStreamedPlan;
}

// Look-ups share each table among the tiles of a step and ask for each line every 2 KiB of the distance (decision
// 0005). Zen 5, one thread, from memory, against one request a line at 4 KiB, G weights/s, K = 2560 and 6912, machine
// busy, upper quartiles: tl2 115 -> 150 and 124 -> 139, b3 163 -> 174 and 155 -> 164. tl2 with 8 tiles is as fast on
// one thread and 6 % slower on two. AVX2 with 1 and 2 tiles b3 58 and 59.
KernelPlan lut_plan(LayoutId layout, const Target& target) {
  if (!target.supports(Isa::kAvx512Vnni))
    return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 4096};
  if (layout == LayoutId::kTl2)
    return {.tiles_per_step = 4, .k_unroll = 1, .prefetch_bytes = 20480};
  return {.tiles_per_step = 8, .k_unroll = 1, .prefetch_bytes = 12288};
}

// Whether one token is served by look-ups. Where a tier decodes in registers it is faster to multiply: AVX-512, 3840 x
// 2560, tl1 156 and tl2 (with VBMI) 173 G weights/s against 149 and 149. Not so for b3, 150 against 177, unless the
// multiplier is that of AVX-VNNI, which shares no table.
bool looks_up(const MatmulSpec& spec, const Target& target) {
  if (spec.m != 1) return false;
  const bool has_avx512 = target.supports(Isa::kAvx512Vnni);
  switch (spec.layout) {
    case LayoutId::kB3: return has_avx512 || !target.supports(Isa::kAvxVnni);
    case LayoutId::kTl2: return has_avx512 && !target.has_vbmi;
    default: return false;
  }
}

// Kernels for any number of tokens. The tiles of a step share the activations that are broadcast, and 2 KiB on
// is about the next chunk of a tile. Short chunks suit few tokens: the panel stays near. Long ones suit many: their
// sums go to memory once a chunk. AMD EPYC Zen 5, AVX-512, i2_s 2560 x 2560, chunks of 256, 384 and 512 columns,
// of the peak on registers: 66.6, 65.6, 62.9 % at 8 tokens; 83.6, 83.9, 84.0 % at 64; 86.0, 88.4, 89.5 % at 256.
// AVX2 takes the 256 columns that its int16 sums hold. AMX by calculation (codegen/x64/panel/panel_amx.cpp): its
// registers multiply two tiles at once, and 1024 columns of two fill two thirds of a 48 KiB L1.
KernelPlan any_m_plan(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
    case Isa::kAvx2: return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 2048};
    case Isa::kAvxVnni:
      return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 2048, .block_k = 384};
    case Isa::kAmx:
      return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 4096, .block_k = 1024};
    case Isa::kAvx512Vnni: break;
  }
  return {.tiles_per_step = 4, .k_unroll = 4, .prefetch_bytes = 2048, .block_k = 384};
}

KernelPlan plan_for(const MatmulSpec& matmul, const Target& target) {
  if (matmul.m == kAnyM) return any_m_plan(target.best_isa);
  if (looks_up(matmul, target)) return lut_plan(matmul.layout, target);
  if (matmul.layout != LayoutId::kI2S && !target.supports(Isa::kAvx512Vnni)) return kYmmWordsPlan;
  switch (target.best_isa) {
    case Isa::kScalar:
    case Isa::kAvx2:
    case Isa::kAvxVnni: return kYmmPlan;
    case Isa::kAvx512Vnni:
    case Isa::kAmx: return avx512_vnni_plan(matmul);
  }
  return {};
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

KernelChoice HeuristicPlanSource::choose(const KernelSpec& spec, const Target& target) const {
  const auto* matmul = std::get_if<MatmulSpec>(&spec);
  if (matmul == nullptr) return {};
  return {.plan = plan_for(*matmul, target)};
}

// Every tier has kernels for i2_s, and it decodes with one mask a plane.
LayoutId HeuristicPlanSource::layout_for(const MatmulSpec&, const Target&) const {
  return LayoutId::kI2S;
}

}  // namespace bitnetc
