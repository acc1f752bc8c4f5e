#include "compiler/plan_source.h"

#include <utility>

namespace bitnetc {
namespace {

// docs/decisions/0001 and 0004 have the measurements: eight 16-column cells an iteration hide the loop, and
// prefetching 3 KiB ahead lifts the stream from memory by a fifth (4 KiB pages) to two fifths (huge pages). Two
// tiles a step gain from L2 and make no difference end to end.
constexpr KernelPlan kAvx2Plan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 3072};

// From memory one stream beats two or four: AMD EPYC Zen 5, one thread, 2560 x 2560, one token, 136 G weights/s
// with one tile and 8 KiB ahead, 128 with 3 KiB, 112 and less with two tiles. With 4 or 8 tokens two tiles gain 5
// and 2 %, as long as the distance exceeds a tile; not enough to depend on it. A matrix that stays in L2 needs no
// prefetch, and four tiles share the broadcasts: 507 G weights/s against 410 with one token, 514 against 430 with
// two.
constexpr KernelPlan kStreamedPlan{.tiles_per_step = 1, .k_unroll = 8, .prefetch_bytes = 8192};
constexpr KernelPlan kCachedPlan{.tiles_per_step = 4, .k_unroll = 4};
constexpr int64_t kCachedBytes = 256 << 10;  // a quarter of a 1 MiB L2: matrices share it

// tl1 and tl2 for a few tokens, as above, microseconds for 3840 x 2560 from memory with 1, 2 and 4 tiles: two tokens
// tl1 148, 94, 110, tl2 153, 115, 118; four tokens tl1 153, 170, 149, tl2 158, 126, 154; eight tokens with 1 and 2
// tiles tl1 183, 238, tl2 184, 248. At 2560 x 6912 two tokens want four tiles: 148 instead of 177, 153 instead of
// 178.
KernelPlan words_plan(const MatmulSpec& spec) {
  int tiles = 1;
  if (spec.m <= 4) tiles = spec.m > 2 && spec.layout == LayoutId::kTl2 ? 2 : 4;
  return {.tiles_per_step = tiles, .k_unroll = 4, .prefetch_bytes = 4096};
}

// The same in 256-bit registers. AMD EPYC Zen 5, 3840 x 2560 from memory: tl1, one token, AVX-VNNI, 4 and 8 KiB ahead
// 133 and 142 G weights/s; tl1, four tokens, AVX2, loops of 2, 4 and 8 cells 241, 243 and 249 us: code that
// weights drove from the cache comes back line by line.
constexpr KernelPlan kYmmWordsPlan{.tiles_per_step = 1, .k_unroll = 2, .prefetch_bytes = 8192};

KernelPlan avx512_vnni_plan(const MatmulSpec& spec) {
  if (spec.layout != LayoutId::kI2S) return words_plan(spec);
  const bool is_cached = spec.weight_layout().total_bytes() <= kCachedBytes;
  return is_cached && spec.m <= 2 ? kCachedPlan : kStreamedPlan;
}

// Look-ups share each table among the tiles of a step and ask for each line every 2 KiB of the distance (decision
// 0005). Zen 5, one thread, from memory, against one request a line at 4 KiB, G weights/s, K = 2560 and 6912, machine
// busy, upper quartiles: tl2 115 -> 150 and 124 -> 139, b3 163 -> 174 and 155 -> 164, tl1 130 -> 150 and 125 -> 144.
// tl2 with 8 tiles is as fast on one thread and 6 % slower on two. AVX2 with 1 and 2 tiles tl2 68 and 75, b3 58 and
// 59, tl1 59 and 66.
KernelPlan lut_plan(LayoutId layout, const Target& target) {
  if (!target.supports(Isa::kAvx512Vnni))
    return {.tiles_per_step = 2, .k_unroll = 4, .prefetch_bytes = 4096};
  switch (layout) {
    case LayoutId::kTl1: return {.tiles_per_step = 4, .k_unroll = 1, .prefetch_bytes = 12288};
    case LayoutId::kTl2: return {.tiles_per_step = 4, .k_unroll = 1, .prefetch_bytes = 20480};
    default: return {.tiles_per_step = 8, .k_unroll = 1, .prefetch_bytes = 12288};
  }
}

// What a kernel by look-ups serves best: with 256 bits decoding is faster where it does not multiply.
bool looks_up(const MatmulSpec& spec, const Target& target) {
  if (spec.m != 1 || spec.layout == LayoutId::kI2S) return false;
  if (target.supports(Isa::kAvx512Vnni)) return true;
  return spec.layout == LayoutId::kB3 && !target.supports(Isa::kAvxVnni);
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
    case Isa::kAvx2: return kAvx2Plan;
    case Isa::kAvxVnni: return {.tiles_per_step = 1, .k_unroll = 4, .prefetch_bytes = 3072};
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
