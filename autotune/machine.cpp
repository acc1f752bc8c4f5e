#include "autotune/machine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

#include "autotune/microarchitecture.h"
#include "runtime/amx.h"

namespace bitnetc {
namespace {

Machine find_out() {
  Machine machine{.cpu = cpu_features(), .target = machine_target(), .allowance = cpu_allowance()};
  CpuFeatures& cpu = machine.cpu;
  if (cpu.has(Feature::kAmxInt8)) {
    const Status allowed = allow_amx_tiles();
    cpu.features.set(Feature::kAmxInt8, allowed.ok());
    machine.tiles_refusal = allowed.message();
  }
  machine.microarchitecture = microarchitecture(cpu.vendor, cpu.family, cpu.model, cpu.stepping);
  machine.topology = read_topology(machine.allowance.allowed);
  return machine;
}

}  // namespace

const Machine& this_machine() {
  static const Machine machine = find_out();
  return machine;
}

// The order and spelling of this text are part of every fingerprint.
std::string fingerprint(const Machine& machine) {
  const CpuFeatures& cpu = machine.cpu;
  const CpuGroup& usable = machine.topology.usable;
  const CacheSizes& caches = machine.topology.caches;
  const std::string text = fmt::format(
      "cpu {} {} {} {} '{}'\nfeatures {}\nusable {} of {} on {} cores, {} nodes\ncaches {} {} {}\n",
      cpu.vendor, cpu.family, cpu.model, cpu.stepping, cpu.brand,
      fmt::join(cpu.features.names(), " "), machine.allowance.usable(), usable.cpus, usable.cores,
      usable.numa_nodes, caches.l1d_bytes, caches.l2_bytes, caches.l3_bytes);
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

std::string describe(const Machine& machine) {
  const CpuGroup& usable = machine.topology.usable;
  const int cpus = machine.allowance.usable();
  return fmt::format(
      "{} ({}), {} CPU{}{} on {} core{}, {}, {}",
      machine.cpu.brand.empty() ? machine.cpu.vendor : machine.cpu.brand, machine.microarchitecture,
      cpus, cpus == 1 ? "" : "s", cpus < usable.cpus ? " by quota" : "", usable.cores,
      usable.cores == 1 ? "" : "s", machine.target.name(), describe(machine.topology.caches));
}

CacheSizes cache_sizes() {
  return this_machine().topology.caches;
}

std::string describe(const CacheSizes& caches) {
  return fmt::format("L1d {}, L2 {}, L3 {}", format_binary_bytes(caches.l1d_bytes),
                     format_binary_bytes(caches.l2_bytes), format_binary_bytes(caches.l3_bytes));
}

std::string format_binary_bytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  const bool whole = value == static_cast<double>(static_cast<int64_t>(value));
  return whole ? fmt::format("{:.0f} {}", value, kUnits[unit])
               : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace bitnetc
