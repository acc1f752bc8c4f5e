#include "autotune/machine_notes.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

using Notes = std::vector<std::string>;

// Everything but AMX, four cores, no SMT.
Machine machine() {
  Machine made{.cpu = {.vendor = "GenuineIntel",
                       .brand = "Some Xeon",
                       .features = target_for(Isa::kAvx512Vnni).features},
               .allowance = {.online = 4, .allowed = {0, 1, 2, 3}},
               .topology = {.machine = {.cores = 4, .cpus = 4}, .usable = {.cores = 4, .cpus = 4}}};
  made.target = target_of(made.cpu, false);
  return made;
}

// With a feature that CPUID claims and that faults.
Machine lying_machine() {
  Machine made = machine();
  made.cpu.features.set(Feature::kAvx512Vnni, false);
  made.cpu.refused = {Feature::kAvx512Vnni};
  made.cpu.hypervisor = "KVM";
  made.target = target_of(made.cpu, false);
  return made;
}

bool mentions(const Notes& notes, const std::string& words) {
  for (const std::string& note : notes)
    if (note.find(words) != note.npos) return true;
  return false;
}

TEST(WhyNot, NothingWhereThereAreKernels) {
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni})
    EXPECT_EQ(why_not(isa, machine(), std::nullopt), "") << isa_name(isa);
}

TEST(WhyNot, NamesWhatTheCpuLacks) {
  EXPECT_EQ(why_not(Isa::kAmx, machine(), std::nullopt), "this CPU has no amx_int8");
  Machine old = machine();
  old.cpu = {.features = {Feature::kAvx2, Feature::kFma}};
  old.target = target_of(old.cpu, false);
  EXPECT_EQ(why_not(Isa::kAvx2, old, std::nullopt), "this CPU has no f16c");
  EXPECT_EQ(why_not(Isa::kAvxVnni, old, std::nullopt), "this CPU has no f16c, avx_vnni");
}

TEST(WhyNot, TheCapIsToBlameOnlyForWhatItTakes) {
  EXPECT_EQ(why_not(Isa::kAvx512Vnni, machine(), Isa::kAvx2), "left out by BITNETC_ISA=avx2");
  EXPECT_EQ(why_not(Isa::kAvx2, machine(), Isa::kAvx2), "");
  EXPECT_EQ(why_not(Isa::kAmx, machine(), Isa::kAvx2), "this CPU has no amx_int8");
}

TEST(WhyNot, AFaultIsToldFromAnAbsence) {
  EXPECT_EQ(why_not(Isa::kAvx512Vnni, lying_machine(), std::nullopt),
            "CPUID claims avx512_vnni, but the instructions fault");
}

TEST(WhyNot, TilesThatTheSystemKeeps) {
  Machine refused = machine();
  refused.tiles_refusal = "AMX tiles: arch_prctl answered: Operation not permitted";
  EXPECT_EQ(why_not(Isa::kAmx, refused, std::nullopt),
            "the CPU has it, the system does not allow it");
}

TEST(NotesOnCpus, AWholeQuietMachineNeedsNone) {
  EXPECT_EQ(notes_on_cpus(machine()), Notes{});
}

TEST(NotesOnCpus, AContainerHearsWhyItsMachineIsSmall) {
  Machine small = machine();
  small.allowance.online = 64;
  EXPECT_EQ(notes_on_cpus(small),
            (Notes{"the affinity mask (taskset, a container's cpuset) allows 4 of 64 CPUs"}));
  small.allowance.online = 4;
  small.allowance.quota = 1.5;
  EXPECT_EQ(
      notes_on_cpus(small),
      (Notes{"the cgroup quota allows 1.5 CPUs' worth of time: 2 threads by default, more would "
             "be stopped in mid-step"}));
  small.allowance.quota = 4.0;
  EXPECT_EQ(notes_on_cpus(small), Notes{}) << "a quota of all CPUs takes nothing away";
}

TEST(NotesOnCpus, SiblingsAndMemoryNodes) {
  Machine large = machine();
  large.topology.usable.cores = 2;
  large.topology.usable.numa_nodes = 2;
  const Notes notes = notes_on_cpus(large);
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(
      notes[0],
      "4 CPUs are siblings on 2 cores and share their multiply units: compare -t 2 with -t 4");
  EXPECT_TRUE(mentions(notes, "memory lies on 2 nodes"));
}

PageObservation pages(const std::string& setting, std::optional<int64_t> advised_huge) {
  return {.state = {.anonymous = setting, .page_bytes = 2 << 20},
          .advised_bytes = 8 << 20,
          .advised_huge_bytes = advised_huge};
}

TEST(NotesOnPages, SayWhatMemoryGets) {
  EXPECT_EQ(notes_on_pages(pages("madvise", 8 << 20)),
            Notes{"memory that asks for huge pages gets them"});
  EXPECT_TRUE(mentions(notes_on_pages(pages("madvise", 2 << 20)),
                       "of 8 MiB that asked for huge pages only 2 MiB got them"));
  EXPECT_TRUE(mentions(notes_on_pages(pages("never", 0)), "echo madvise >"));
  EXPECT_TRUE(mentions(notes_on_pages(pages("", 0)), "no transparent huge pages"));
  EXPECT_EQ(notes_on_pages(pages("madvise", std::nullopt)), Notes{}) << "nothing is known";
}

TEST(NotesOnPages, SayWhatAMappedModelGets) {
  PageObservation observed = pages("madvise", std::nullopt);
  observed.model_bytes = 6 << 20;
  EXPECT_EQ(notes_on_pages(observed), Notes{}) << "nothing is known";
  observed.model_huge_bytes = 0;
  EXPECT_EQ(notes_on_pages(observed), Notes{"weights from a mapped file use small pages"});
  observed.model_huge_bytes = 4 << 20;
  EXPECT_EQ(notes_on_pages(observed), Notes{"of a mapped model's 6 MiB 4 MiB are in huge pages"});
}

TEST(NotesOnNoise, OnlyWhatMatters) {
  EXPECT_EQ(notes_on_noise(machine(), {.others = 0.01, .stolen = 0.001}, {}), Notes{});
  EXPECT_EQ(notes_on_noise(machine(), {}, {.governor = "performance", .boost = false}), Notes{});
  const Notes all = notes_on_noise(lying_machine(), {.others = 0.31, .stolen = 0.04},
                                   {.governor = "powersave", .boost = true});
  ASSERT_EQ(all.size(), 5u);
  EXPECT_TRUE(mentions(all, "a virtual machine (KVM)"));
  EXPECT_TRUE(mentions(all, "other processes took 31 % of the CPU time"));
  EXPECT_TRUE(mentions(all, "the hypervisor gave 4 % of the CPU time"));
  EXPECT_TRUE(mentions(all, "one thread runs faster than each of many"));
  EXPECT_TRUE(mentions(all, "governor powersave"));
}

TEST(Problems, AGoodMachineHasNone) {
  EXPECT_EQ(problems_of(machine(), std::nullopt), Notes{});
  EXPECT_EQ(problems_of(machine(), Isa::kAvx2), Notes{});
}

TEST(Problems, ALieIsNamedWithItsRemedy) {
  const Notes problems = problems_of(lying_machine(), std::nullopt);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_TRUE(mentions(problems, "CPUID claims avx512_vnni, but the instructions fault"));
  EXPECT_TRUE(mentions(problems, "the hypervisor (KVM)"));
  EXPECT_TRUE(mentions(problems, "choose a CPU model"));
}

TEST(Problems, AnOldCpuAndAWrongCapAndKeptTiles) {
  Machine old = machine();
  old.cpu = {};
  old.target = {};
  EXPECT_TRUE(mentions(problems_of(old, std::nullopt), "this CPU has no avx2, fma, f16c"));
  EXPECT_TRUE(mentions(problems_of(old, std::nullopt), "reference kernels"));
  EXPECT_TRUE(mentions(problems_of(machine(), Isa::kAmx), "unset BITNETC_ISA"));
  Machine kept = machine();
  kept.tiles_refusal = "AMX tiles: no";
  EXPECT_TRUE(mentions(problems_of(kept, std::nullopt), "the AMX tier is left out: AMX tiles: no"));
}

}  // namespace
}  // namespace bitnetc
