#include "autotune/machine.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "autotune/microarchitecture.h"
#include "runtime/thread_pool.h"

namespace bitnetc {
namespace {

std::vector<int> cpus(int first, int count) {
  std::vector<int> numbers;
  for (int cpu = first; cpu < first + count; ++cpu) numbers.push_back(cpu);
  return numbers;
}

constexpr char kTwoSockets[] =
    "package:2 [numa] l3:2(size=33554432) l2:4(size=1048576) l1d:1(size=49152) core:1 pu:2";

TEST(Topology, ReadsAWholeMachine) {
  const Topology whole = read_topology(cpus(0, 32), kTwoSockets);
  for (const CpuGroup& group : {whole.machine, whole.usable}) {
    EXPECT_EQ(group.sockets, 2);
    EXPECT_EQ(group.numa_nodes, 2);
    EXPECT_EQ(group.cores, 16);
    EXPECT_EQ(group.cpus, 32);
  }
  EXPECT_EQ(whole.caches.l1d_bytes, 48 << 10);
  EXPECT_EQ(whole.caches.l2_bytes, 1 << 20);
  EXPECT_EQ(whole.caches.l3_bytes, 32 << 20);
  EXPECT_EQ(whole.caches.l3_cores, 4);
  EXPECT_EQ(whole.usable_l3s, 4);
}

TEST(Topology, CountsOnlyWhatTheMaskAllows) {
  const Topology part = read_topology({2, 3, 5, 16}, kTwoSockets);
  EXPECT_EQ(part.machine.cpus, 32);
  EXPECT_EQ(part.usable.cpus, 4);
  EXPECT_EQ(part.usable.cores, 3) << "2 and 3 are siblings";
  EXPECT_EQ(part.usable.sockets, 2);
  EXPECT_EQ(part.usable.numa_nodes, 2);
  EXPECT_EQ(part.usable_l3s, 2);
  const Topology pair = read_topology(cpus(8, 2), kTwoSockets);
  EXPECT_EQ(pair.usable.cores, 1);
  EXPECT_EQ(pair.usable.sockets, 1);
}

TEST(Topology, WhatIsNotToldIsLeftOpen) {
  const Topology bare = read_topology(cpus(0, 3), "pu:4");
  EXPECT_EQ(bare.usable.cores, 3);
  EXPECT_EQ(bare.machine.cpus, 4);
  EXPECT_EQ(bare.caches.l3_bytes, 0);
  EXPECT_EQ(bare.caches.l3_cores, 0);
  const Topology partial = read_topology(cpus(0, 8), "package:1 core:2 pu:2");
  EXPECT_EQ(partial.usable.cpus, 8) << "the tables miss CPUs that the mask allows";
  EXPECT_EQ(partial.usable.cores, 8);
  const Topology broken = read_topology(cpus(0, 3), "no such machine");
  EXPECT_EQ(broken.usable.cores, 3);
  EXPECT_EQ(broken.machine.cpus, 3);
}

TEST(Microarchitecture, KnowsTheServersPeopleRent) {
  EXPECT_EQ(microarchitecture("AuthenticAMD", 0x19, 0x01, 1), "Zen 3");
  EXPECT_EQ(microarchitecture("AuthenticAMD", 0x19, 0x11, 1), "Zen 4");
  EXPECT_EQ(microarchitecture("AuthenticAMD", 0x1a, 0x02, 1), "Zen 5");
  EXPECT_EQ(microarchitecture("AuthenticAMD", 0x17, 0x08, 2), "Zen+");
  EXPECT_EQ(microarchitecture("AuthenticAMD", 0x17, 0x31, 0), "Zen 2");
  EXPECT_EQ(microarchitecture("GenuineIntel", 6, 0x55, 4), "Skylake server");
  EXPECT_EQ(microarchitecture("GenuineIntel", 6, 0x55, 7), "Cascade Lake");
  EXPECT_EQ(microarchitecture("GenuineIntel", 6, 0x55, 11), "Cooper Lake");
  EXPECT_EQ(microarchitecture("GenuineIntel", 6, 0x6a, 6), "Ice Lake server");
  EXPECT_EQ(microarchitecture("GenuineIntel", 6, 0x8f, 8), "Sapphire Rapids");
  EXPECT_EQ(microarchitecture("GenuineIntel", 6, 0xad, 1), "Granite Rapids");
}

TEST(Microarchitecture, TheRestIsUnknown) {
  EXPECT_EQ(microarchitecture("AuthenticAMD", 0x16, 0, 0), "unknown");
  EXPECT_EQ(microarchitecture("GenuineIntel", 15, 4, 1), "unknown");
  EXPECT_EQ(microarchitecture("GenuineIntel", 6, 0x01, 0), "unknown");
  EXPECT_EQ(microarchitecture("CentaurHauls", 6, 0x8f, 8), "unknown");
  EXPECT_EQ(microarchitecture("", 0, 0, 0), "unknown");
}

Machine small_server() {
  return {
      .cpu = {.vendor = "AuthenticAMD",
              .brand = "AMD EPYC",
              .family = 0x1a,
              .model = 2,
              .stepping = 1,
              .features = features_of(Isa::kAvx2)},
      .microarchitecture = "Zen 5",
      .target = target_for(Isa::kAvx2),
      .allowance = {.online = 64, .allowed = cpus(0, 4)},
      .topology = {
          .machine = {.sockets = 2, .numa_nodes = 2, .cores = 32, .cpus = 64},
          .usable = {.sockets = 1, .numa_nodes = 1, .cores = 2, .cpus = 4},
          .caches = {.l1d_bytes = 49152, .l2_bytes = 1 << 20, .l3_bytes = 32 << 20, .l3_cores = 8},
          .usable_l3s = 1}};
}

TEST(Fingerprint, IsAFixedFunctionOfTheMachine) {
  const std::string print = fingerprint(small_server());
  EXPECT_EQ(print.size(), 16u);
  EXPECT_EQ(print.find_first_not_of("0123456789abcdef"), print.npos) << print;
  // Profiles are stored under it: whoever changes what it is made of makes all of them unfindable.
  EXPECT_EQ(print, "f2c724ef091de37d");
}

TEST(Fingerprint, ChangesWithAllThatTuningDependsOn) {
  const std::function<void(Machine&)> changes[] = {
      [](Machine& m) { m.cpu.vendor = "GenuineIntel"; },
      [](Machine& m) { m.cpu.brand = "AMD EPYC 9R14"; },
      [](Machine& m) { m.cpu.family = 0x19; },
      [](Machine& m) { m.cpu.model = 3; },
      [](Machine& m) { m.cpu.stepping = 2; },
      [](Machine& m) { m.cpu.features.set(Feature::kAvxVnni); },
      [](Machine& m) { m.cpu.features.set(Feature::kAmxInt8); },
      [](Machine& m) { m.allowance.quota = 1.5; },
      [](Machine& m) { m.topology.usable.cores = 4; },
      [](Machine& m) { m.topology.usable.cpus = 2; },
      [](Machine& m) { m.topology.usable.numa_nodes = 2; },
      [](Machine& m) { m.topology.caches.l1d_bytes = 32768; },
      [](Machine& m) { m.topology.caches.l2_bytes = 2 << 20; },
      [](Machine& m) { m.topology.caches.l3_bytes = 16 << 20; },
  };
  std::set<std::string> prints = {fingerprint(small_server())};
  for (const auto& change : changes) {
    Machine changed = small_server();
    change(changed);
    prints.insert(fingerprint(changed));
  }
  EXPECT_EQ(prints.size(), std::size(changes) + 1);
}

// A guest that wakes up on another part of an equal host finds its profile again.
TEST(Fingerprint, DoesNotChangeWithWhereTheProcessRuns) {
  Machine moved = small_server();
  moved.allowance.allowed = cpus(32, 4);
  moved.allowance.online = 128;
  moved.allowance.quota = 4;
  moved.topology.machine.cpus = 128;
  moved.cpu.hypervisor = "KVM";
  EXPECT_EQ(fingerprint(moved), fingerprint(small_server()));
}

TEST(Machine, IsDescribedInALine) {
  Machine machine = small_server();
  EXPECT_EQ(describe(machine),
            "AMD EPYC (Zen 5), 4 CPUs on 2 cores, avx2, L1d 48 KiB, L2 1 MiB, L3 32 MiB");
  machine.allowance.quota = 0.5;
  machine.topology.usable.cores = 1;
  machine.topology.caches.l2_bytes = 1280 << 10;
  EXPECT_EQ(describe(machine),
            "AMD EPYC (Zen 5), 1 CPU by quota on 1 core, avx2, L1d 48 KiB, L2 1.2 MiB, L3 32 MiB");
}

TEST(Machine, BytesAreReadable) {
  EXPECT_EQ(format_binary_bytes(0), "0 B");
  EXPECT_EQ(format_binary_bytes(1023), "1023 B");
  EXPECT_EQ(format_binary_bytes(48 << 10), "48 KiB");
  EXPECT_EQ(format_binary_bytes((1 << 20) + (1 << 19)), "1.5 MiB");
  EXPECT_EQ(format_binary_bytes(int64_t{3} << 40), "3 TiB");
}

TEST(Machine, ThisOneIsConsistent) {
  const Machine& machine = this_machine();
  EXPECT_EQ(&machine, &this_machine());
  EXPECT_EQ(machine.target, machine_target());
  EXPECT_EQ(machine.cpu.has(Feature::kAmxInt8) || !machine.tiles_refusal.empty(),
            cpu_features().has(Feature::kAmxInt8));
  EXPECT_EQ(machine.allowance.usable(), usable_cpu_count());
  const CpuGroup &usable = machine.topology.usable, &whole = machine.topology.machine;
  EXPECT_EQ(usable.cpus, static_cast<int>(machine.allowance.allowed.size()));
  EXPECT_LE(usable.cores, usable.cpus);
  EXPECT_LE(usable.sockets, usable.cores);
  EXPECT_LE(usable.cpus, whole.cpus);
  EXPECT_LE(usable.cores, whole.cores);
  EXPECT_LE(usable.numa_nodes, whole.numa_nodes);
  EXPECT_EQ(fingerprint(machine), fingerprint(this_machine()));
}

TEST(Machine, CacheSizesAreOrdered) {
  const CacheSizes sizes = cache_sizes();
  if (sizes.l1d_bytes == 0) GTEST_SKIP() << "this system does not say how large its caches are";
  EXPECT_GE(sizes.l1d_bytes, 8 << 10);
  EXPECT_LE(sizes.l1d_bytes, 1 << 20);
  EXPECT_TRUE(sizes.l2_bytes == 0 || sizes.l2_bytes >= sizes.l1d_bytes) << sizes.l2_bytes;
  EXPECT_TRUE(sizes.l3_bytes == 0 || sizes.l3_bytes >= sizes.l2_bytes) << sizes.l3_bytes;
}

}  // namespace
}  // namespace bitnetc
