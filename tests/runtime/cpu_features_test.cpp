#include "runtime/cpu_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>
#include <utility>

#include "runtime/amx.h"
#include "runtime/cpu/cpuid.h"
#include "runtime/cpu/feature_probes.h"
#include "runtime/fault_guard.h"

namespace bitnetc {
namespace {

// A CPU written down leaf by leaf; what is not written answers zero.
struct FakeCpu {
  std::map<std::pair<uint32_t, uint32_t>, CpuidRegisters> leaves;
  uint64_t xcr0 = 0;
  bool xgetbv_used = false;

  CpuFeatures decode() {
    return decode_cpuid({
        .cpuid =
            [this](uint32_t leaf, uint32_t subleaf) {
              const auto found = leaves.find({leaf, subleaf});
              return found == leaves.end() ? CpuidRegisters{} : found->second;
            },
        .xcr0 =
            [this] {
              xgetbv_used = true;
              return xcr0;
            },
    });
  }
};

uint32_t word(const char* four) {
  uint32_t value;
  std::memcpy(&value, four, sizeof(value));
  return value;
}

constexpr uint32_t kFma = 1u << 12, kXsave = 1u << 27, kAvx = 1u << 28, kF16c = 1u << 29;
constexpr uint32_t kAvx2Bit = 1u << 5, kAvx512fBit = 1u << 16, kAvx512dqBit = 1u << 17,
                   kAvx512bwBit = 1u << 30, kAvx512vlBit = 1u << 31;
constexpr uint32_t kVbmi = 1u << 1, kGfni = 1u << 8, kAvx512VnniBit = 1u << 11;
constexpr uint32_t kAmxTile = 1u << 24, kAmxInt8 = 1u << 25, kAvxVnniBit = 1u << 4;
constexpr uint64_t kXmmYmm = 0x7, kZmm = 0xe7, kZmmTiles = 0x600e7;

// Everything this project looks at, all of it saved by the operating system.
FakeCpu sapphire_rapids() {
  FakeCpu cpu;
  cpu.leaves[{0, 0}] = {0x20, word("Genu"), word("ntel"), word("ineI")};
  cpu.leaves[{1, 0}] = {0x000806f8, 0, kFma | kXsave | kAvx | kF16c, 0};
  cpu.leaves[{7, 0}] = {2, kAvx2Bit | kAvx512fBit | kAvx512dqBit | kAvx512bwBit | kAvx512vlBit,
                        kVbmi | kGfni | kAvx512VnniBit, kAmxTile | kAmxInt8};
  cpu.leaves[{7, 1}] = {kAvxVnniBit, 0, 0, 0};
  cpu.leaves[{0x80000000, 0}] = {0x80000008, 0, 0, 0};
  cpu.leaves[{0x80000002, 0}] = {word("   A"), word(" CPU"), word(" of "), word("some")};
  cpu.leaves[{0x80000003, 0}] = {word(" kin"), word("d   "), 0, 0};
  cpu.xcr0 = kZmmTiles;
  return cpu;
}

TEST(CpuFeatures, ReadsVendorBrandFamilyAndModel) {
  const CpuFeatures f = sapphire_rapids().decode();
  EXPECT_EQ(f.vendor, "GenuineIntel");
  EXPECT_EQ(f.brand, "A CPU of some kind");
  EXPECT_EQ(f.family, 6);
  EXPECT_EQ(f.model, 0x8f);
  EXPECT_EQ(f.stepping, 8);
}

TEST(CpuFeatures, AddsTheExtendedFamilyOfAmd) {
  FakeCpu cpu = sapphire_rapids();
  cpu.leaves[{1, 0}].eax = 0x00a00f11;  // Milan
  const CpuFeatures f = cpu.decode();
  EXPECT_EQ(f.family, 25);
  EXPECT_EQ(f.model, 1);
  EXPECT_EQ(f.stepping, 1);
}

TEST(CpuFeatures, AFullMachineHasEveryTier) {
  const CpuFeatures f = sapphire_rapids().decode();
  EXPECT_TRUE(f.has(Feature::kAmxInt8) && f.has(Feature::kGfni) && f.has(Feature::kAvx512Vbmi));
  EXPECT_EQ(target_of(f, true), target_for(Isa::kAmx));
}

TEST(CpuFeatures, TheAmxTierNeedsThePermissionOfTheSystem) {
  const CpuFeatures f = sapphire_rapids().decode();
  EXPECT_EQ(target_of(f, false), target_for(Isa::kAvx512Vnni));
}

TEST(CpuFeatures, EveryPartOfTheAmxTierIsNeeded) {
  for (const uint32_t missing : {kAmxTile, kAmxInt8}) {
    FakeCpu cpu = sapphire_rapids();
    cpu.leaves[{7, 0}].edx &= ~missing;
    EXPECT_FALSE(cpu.decode().has(Feature::kAmxInt8));
    EXPECT_EQ(target_of(cpu.decode(), true), target_for(Isa::kAvx512Vnni));
  }
  CpuFeatures f = sapphire_rapids().decode();
  f.features.set(Feature::kAvx512Vbmi, false);
  EXPECT_EQ(target_of(f, true).best_tier(), Isa::kAvx512Vnni);
  f = sapphire_rapids().decode();
  f.features.set(Feature::kAvx512Vnni, false);
  EXPECT_EQ(target_of(f, true).best_tier(), Isa::kAvxVnni);
}

TEST(CpuFeatures, StateTheSystemDoesNotSaveDoesNotCount) {
  FakeCpu cpu = sapphire_rapids();
  cpu.xcr0 = kZmm;
  EXPECT_FALSE(cpu.decode().has(Feature::kAmxInt8));
  EXPECT_EQ(target_of(cpu.decode(), true), target_for(Isa::kAvx512Vnni));

  cpu.xcr0 = kXmmYmm;
  EXPECT_FALSE(cpu.decode().has(Feature::kAvx512f));
  EXPECT_FALSE(cpu.decode().has(Feature::kAvx512Vnni));
  EXPECT_EQ(target_of(cpu.decode(), true), target_for(Isa::kAvxVnni));

  cpu.xcr0 = 0x3;  // xmm only
  EXPECT_FALSE(cpu.decode().has(Feature::kAvx2));
  EXPECT_EQ(target_of(cpu.decode(), true), target_for(Isa::kScalar));
}

TEST(CpuFeatures, XgetbvIsNotExecutedWithoutOsxsave) {
  FakeCpu cpu = sapphire_rapids();
  cpu.leaves[{1, 0}].ecx &= ~kXsave;
  EXPECT_EQ(target_of(cpu.decode(), true).best_tier(), Isa::kScalar);
  EXPECT_FALSE(cpu.xgetbv_used);
}

TEST(CpuFeatures, Leaf7IsNotReadWhereItDoesNotExist) {
  FakeCpu cpu = sapphire_rapids();
  cpu.leaves[{0, 0}].eax = 6;
  EXPECT_FALSE(cpu.decode().has(Feature::kAvx2));
  cpu = sapphire_rapids();
  cpu.leaves[{7, 0}].eax = 0;  // no subleaf 1
  EXPECT_FALSE(cpu.decode().has(Feature::kAvxVnni));
}

TEST(CpuFeatures, EveryPartOfATierIsNeeded) {
  CpuFeatures f = sapphire_rapids().decode();
  f.features.set(Feature::kF16c, false);
  EXPECT_EQ(target_of(f, true).best_tier(), Isa::kScalar);
  f = sapphire_rapids().decode();
  f.features.set(Feature::kAvx512bw, false);
  EXPECT_EQ(target_of(f, true).best_tier(), Isa::kAvxVnni);
  f.features.set(Feature::kAvxVnni, false);
  EXPECT_EQ(target_of(f, true).best_tier(), Isa::kAvx2);
}

TEST(CpuFeatures, IceLakeDoesNotClaimAvxVnni) {
  CpuFeatures f = sapphire_rapids().decode();
  f.features.set(Feature::kAvxVnni, false);
  const Target ice_lake = target_of(f, true);
  EXPECT_TRUE(ice_lake.supports(Isa::kAvx512Vnni));
  EXPECT_FALSE(ice_lake.supports(Isa::kAvxVnni));
  EXPECT_TRUE(ice_lake.supports(Isa::kAvx2));
}

TEST(CpuFeatures, ATargetHasWhatKernelsMayAskFor) {
  CpuFeatures f{.features = {Feature::kAvx512f, Feature::kGfni}};
  EXPECT_EQ(target_of(f, true), (Target{.features = {Feature::kAvx512f}}));
  f.architecture = Architecture::kAArch64;
  f.features = {};
  EXPECT_EQ(target_of(f, true), (Target{.architecture = Architecture::kAArch64}));
}

TEST(CpuFeatures, NamesAHypervisor) {
  FakeCpu cpu = sapphire_rapids();
  EXPECT_EQ(cpu.decode().hypervisor, "");
  cpu.leaves[{1, 0}].ecx |= 1u << 31;
  EXPECT_EQ(cpu.decode().hypervisor, "unknown");
  cpu.leaves[{0x40000000, 0}] = {0, word("KVMK"), word("VMKV"), word("M\0\0\0")};
  EXPECT_EQ(cpu.decode().hypervisor, "KVM");
  cpu.leaves[{0x40000000, 0}] = {0, word("ACRN"), word("ACRN"), word("ACRN")};
  EXPECT_EQ(cpu.decode().hypervisor, "ACRNACRNACRN");
}

TEST(CpuFeatures, EveryFeatureHasAName) {
  EXPECT_TRUE(FeatureSet().names().empty());
  for (const Feature each : kFeatures)
    EXPECT_EQ(FeatureSet{each}.names(), std::vector<std::string>{std::string(feature_name(each))});
  EXPECT_EQ(sapphire_rapids().decode().features.names().size(), kFeatures.size());
}

#if defined(__x86_64__)
void illegal_instruction(void*) {
  __asm__ volatile("ud2");
}
void nothing(void*) {}

TEST(FeatureProbes, AFeatureWhoseInstructionFaultsIsDroppedAndNamed) {
  CpuFeatures f = sapphire_rapids().decode();
  const FeatureProbe probes[] = {{Feature::kAvx2, nothing},
                                 {Feature::kAvx512Vnni, illegal_instruction},
                                 {Feature::kAvx512Vbmi, nothing},
                                 {Feature::kGfni, illegal_instruction}};
  drop_refused(f, probes);
  EXPECT_EQ(f.refused, (FeatureSet{Feature::kAvx512Vnni, Feature::kGfni}));
  EXPECT_TRUE(f.has(Feature::kAvx2) && f.has(Feature::kAvx512Vbmi) && f.has(Feature::kAvx512f));
  EXPECT_FALSE(f.has(Feature::kAvx512Vnni) || f.has(Feature::kGfni));
  EXPECT_EQ(target_of(f, true).best_tier(), Isa::kAvxVnni) << "the tier goes with its feature";
}

TEST(FeatureProbes, WhatIsNotClaimedIsNotRun) {
  CpuFeatures f;
  const FeatureProbe probes[] = {{Feature::kAvx2, illegal_instruction}};
  drop_refused(f, probes);
  EXPECT_TRUE(f.refused.empty());
}

TEST(FeatureProbes, EveryFeatureButAmxHasOne) {
  for (const Feature each : kFeatures) {
    if (each == Feature::kAmxInt8) continue;
    const auto probes = feature_probes();
    EXPECT_EQ(std::count_if(probes.begin(), probes.end(),
                            [&](const FeatureProbe& p) { return p.feature == each; }),
              1)
        << feature_name(each);
  }
}

// The instructions exist: an assembler that wrote something else would make a feature that runs
// look refused.
TEST(FeatureProbes, NothingIsRefusedWhereTheCompilerSeesTheFeatureToo) {
  CpuFeatures f = cpu_features();
  drop_refused(f, feature_probes());
  EXPECT_EQ(f.refused, cpu_features().refused);
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this CPU has no AVX2";
  EXPECT_TRUE(f.has(Feature::kAvx2));
}

TEST(FeatureProbes, TilesThatFaultAreNotAllowed) {
  EXPECT_TRUE(check_tiles(nothing).ok());
  const Status status = check_tiles(illegal_instruction);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_EQ(status.message(),
            "AMX tiles: the system allows them, but a tile instruction raised Illegal instruction");
  if (!cpu_features().has(Feature::kAmxInt8)) {
    EXPECT_FALSE(check_tiles(tile_probe()).ok()) << "a CPU without tiles runs a tile instruction";
  }
}

TEST(FaultGuard, AGuardInsideAGuardLeavesTheOuterOneInPlace) {
  int inner = 0;
  const int outer = run_guarded(
      [](void* state) {
        *static_cast<int*>(state) = run_guarded(illegal_instruction, nullptr);
        __asm__ volatile("ud2");
      },
      &inner);
  EXPECT_EQ(inner, SIGILL);
  EXPECT_EQ(outer, SIGILL);
}
#endif

TEST(CpuFeatures, TheSystemAnswersOnceWhetherTilesAreAllowed) {
  const Status first = allow_amx_tiles();
  EXPECT_EQ(allow_amx_tiles().message(), first.message());
  if (!first.ok()) {
    EXPECT_EQ(first.code(), StatusCode::kUnsupported);
    EXPECT_TRUE(first.message().starts_with("AMX tiles: ")) << first.message();
  }
  const CpuFeatures& f = cpu_features();
  EXPECT_EQ(machine_target(), target_of(f, first.ok()));
  EXPECT_EQ(machine_target().supports(Isa::kAmx), first.ok() && f.has(Feature::kAmxInt8) &&
                                                      f.has(Feature::kAvx512Vnni) &&
                                                      f.has(Feature::kAvx512Vbmi));
}

TEST(CpuFeatures, ThisMachineIsConsistent) {
  const CpuFeatures& f = cpu_features();
  EXPECT_FALSE(f.vendor.empty());
#if defined(__x86_64__)
  EXPECT_EQ(f.vendor.size(), 12u);
  EXPECT_EQ(f.has(Feature::kAvx2), __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(f.has(Feature::kFma), __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ(f.has(Feature::kAvx512f), __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(f.has(Feature::kAvx512Vnni), __builtin_cpu_supports("avx512vnni") != 0);
#endif
  EXPECT_TRUE(target_of(f, true).supports(Isa::kScalar));
}

}  // namespace
}  // namespace bitnetc
