// The probes are assembly, so that no compiler flag is needed and no compiler moves an instruction
// to where it is not guarded. What they compute does not matter. A probe of 512-bit registers uses
// the low sixteen, whose upper halves vzeroupper clears again.
#include "runtime/cpu/feature_probes.h"

#include <string.h>

#include <cstdint>

namespace bitnetc {
namespace {

#if defined(__x86_64__)

#define BITNETC_PROBE(name, instruction)                                     \
  void name(void*) {                                                         \
    __asm__ volatile(instruction "\nvzeroupper" ::: "xmm0", "xmm1", "xmm2"); \
  }
BITNETC_PROBE(run_avx2, "vpaddb %%ymm0, %%ymm1, %%ymm2")
BITNETC_PROBE(run_fma, "vfmadd231ps %%ymm0, %%ymm1, %%ymm2")
BITNETC_PROBE(run_f16c, "vcvtph2ps %%xmm0, %%ymm2")
BITNETC_PROBE(run_avx_vnni, "%{vex%} vpdpbusd %%ymm0, %%ymm1, %%ymm2")
BITNETC_PROBE(run_avx512f, "vpaddd %%zmm0, %%zmm1, %%zmm2")
BITNETC_PROBE(run_avx512bw, "vpaddb %%zmm0, %%zmm1, %%zmm2")
BITNETC_PROBE(run_avx512dq, "vandps %%zmm0, %%zmm1, %%zmm2")
BITNETC_PROBE(run_avx512vl, "vpternlogd $0x96, %%ymm0, %%ymm1, %%ymm2")
BITNETC_PROBE(run_avx512_vnni, "vpdpbusd %%zmm0, %%zmm1, %%zmm2")
BITNETC_PROBE(run_avx512_vbmi, "vpermb %%zmm0, %%zmm1, %%zmm2")
#undef BITNETC_PROBE

// The legacy encoding: the one form that GFNI alone promises.
void run_gfni(void*) {
  __asm__ volatile("gf2p8affineqb $0, %%xmm0, %%xmm1" ::: "xmm0", "xmm1");
}

constexpr FeatureProbe kProbes[] = {{Feature::kAvx2, run_avx2},
                                    {Feature::kFma, run_fma},
                                    {Feature::kF16c, run_f16c},
                                    {Feature::kAvxVnni, run_avx_vnni},
                                    {Feature::kAvx512f, run_avx512f},
                                    {Feature::kAvx512bw, run_avx512bw},
                                    {Feature::kAvx512dq, run_avx512dq},
                                    {Feature::kAvx512vl, run_avx512vl},
                                    {Feature::kAvx512Vnni, run_avx512_vnni},
                                    {Feature::kAvx512Vbmi, run_avx512_vbmi},
                                    {Feature::kGfni, run_gfni}};

// The operand of ldtilecfg: three tiles of one row of four bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {4, 4, 4};
  uint8_t rows[16] = {1, 1, 1};
};
static_assert(sizeof(TileConfig) == 64);

void run_tiles(void*) {
  const TileConfig config;
  __asm__ volatile(
      "ldtilecfg %0\n"
      "tdpbsud %%tmm1, %%tmm2, %%tmm0\n"
      "tilerelease"
      :
      : "m"(config));
}

#endif

}  // namespace

std::span<const FeatureProbe> feature_probes() {
#if defined(__x86_64__)
  return kProbes;
#else
  return {};
#endif
}

void drop_refused(CpuFeatures& features, std::span<const FeatureProbe> probes) {
  for (const FeatureProbe& probe : probes) {
    if (!features.has(probe.feature) || run_guarded(probe.run, nullptr) == 0) continue;
    features.features.set(probe.feature, false);
    features.refused.set(probe.feature);
  }
}

GuardedFunction tile_probe() {
#if defined(__x86_64__)
  return run_tiles;
#else
  return nullptr;
#endif
}

Status check_tiles(GuardedFunction probe) {
  const int signal_number = run_guarded(probe, nullptr);
  if (signal_number == 0) return {};
  return make_error(StatusCode::kUnsupported,
                    "AMX tiles: the system allows them, but a tile instruction raised {}",
                    strsignal(signal_number));
}

}  // namespace bitnetc
