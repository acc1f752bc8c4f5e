#include "autotune/machine_notes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace bitnetc {
namespace {

std::string percent(double share) {
  return fmt::format("{:.0f} %", 100 * share);
}

}  // namespace

std::string why_not(Isa isa, const Machine& machine, std::optional<Isa> cap) {
  if (machine.target.supports(isa)) {
    if (cap_target(machine.target, cap).supports(isa)) return "";
    return fmt::format("left out by BITNETC_ISA={}", isa_name(*cap));
  }
  const FeatureSet missing = features_of(isa) - machine.cpu.features;
  if (const FeatureSet refused = missing & machine.cpu.refused; !refused.empty())
    return fmt::format("CPUID claims {}, but the instructions fault",
                       fmt::join(refused.names(), ", "));
  if (missing == FeatureSet{Feature::kAmxInt8} && !machine.tiles_refusal.empty())
    return "the CPU has it, the system does not allow it";
  return fmt::format("this CPU has no {}", fmt::join(missing.names(), ", "));
}

std::vector<std::string> notes_on_cpus(const Machine& machine) {
  std::vector<std::string> notes;
  const CpuAllowance& allowance = machine.allowance;
  const CpuGroup& usable = machine.topology.usable;
  const int allowed = static_cast<int>(allowance.allowed.size()), cpus = allowance.usable();
  if (allowed < allowance.online)
    notes.push_back(
        fmt::format("the affinity mask (taskset, a container's cpuset) allows {} of {} CPUs",
                    allowed, allowance.online));
  if (cpus < allowed)
    notes.push_back(fmt::format(
        "the cgroup quota allows {:.3g} CPUs' worth of time: {} thread{} by default, more would be "
        "stopped in mid-step",
        *allowance.quota, cpus, cpus == 1 ? "" : "s"));
  if (usable.cpus > usable.cores)
    notes.push_back(fmt::format(
        "{} CPUs are siblings on {} core{} and share their multiply units: compare -t {} "
        "with -t {}",
        usable.cpus, usable.cores, usable.cores == 1 ? "" : "s", std::min(cpus, usable.cores),
        cpus));
  if (usable.numa_nodes > 1)
    notes.push_back(fmt::format(
        "memory lies on {} nodes, and a thread reads that of another one more slowly: numactl "
        "--cpunodebind=0 --membind=0 keeps a run on one, --numa interleave spreads its memory",
        usable.numa_nodes));
  return notes;
}

std::vector<std::string> notes_on_pages(const PageObservation& pages) {
  std::vector<std::string> notes;
  if (pages.state.anonymous.empty()) {
    notes.emplace_back("this system has no transparent huge pages: all memory uses small pages");
  } else if (pages.state.anonymous == "never") {
    notes.emplace_back(
        "transparent huge pages are off: all memory uses small pages; as root: echo madvise > "
        "/sys/kernel/mm/transparent_hugepage/enabled");
  } else if (pages.advised_huge_bytes && *pages.advised_huge_bytes < pages.advised_bytes) {
    notes.push_back(fmt::format(
        "of {} that asked for huge pages only {} got them: memory is fragmented (as root: echo 1 > "
        "/proc/sys/vm/compact_memory)",
        format_binary_bytes(pages.advised_bytes), format_binary_bytes(*pages.advised_huge_bytes)));
  } else if (pages.advised_huge_bytes) {
    notes.emplace_back("memory that asks for huge pages gets them");
  }
  if (pages.model_bytes > 0 && pages.model_huge_bytes) {
    if (*pages.model_huge_bytes == 0)
      notes.emplace_back("weights from a mapped file use small pages");
    else
      notes.push_back(fmt::format("of a mapped model's {} {} are in huge pages",
                                  format_binary_bytes(pages.model_bytes),
                                  format_binary_bytes(*pages.model_huge_bytes)));
  }
  return notes;
}

std::vector<std::string> notes_on_noise(const Machine& machine, const Disturbance& disturbance,
                                        const ClockState& clock) {
  constexpr double kOthersMatter = 0.05, kTheftMatters = 0.01;
  std::vector<std::string> notes;
  if (!machine.cpu.hypervisor.empty())
    notes.push_back(fmt::format(
        "a virtual machine ({}): other guests of its host share caches and memory bandwidth",
        machine.cpu.hypervisor));
  if (disturbance.others >= kOthersMatter)
    notes.push_back(
        fmt::format("other processes took {} of the CPU time meanwhile: a quiet machine reaches "
                    "more (the largest "
                    "figures are remembered)",
                    percent(disturbance.others)));
  if (disturbance.stolen >= kTheftMatters)
    notes.push_back(fmt::format("the hypervisor gave {} of the CPU time to other guests meanwhile",
                                percent(disturbance.stolen)));
  if (clock.boost.value_or(false))
    notes.emplace_back(
        "the clock boosts: one thread runs faster than each of many, and a cold machine faster "
        "than a "
        "warm one");
  if (!clock.governor.empty() && clock.governor != "performance")
    notes.push_back(fmt::format(
        "the clock follows the load (governor {}): for steady figures cpupower frequency-set -g "
        "performance",
        clock.governor));
  return notes;
}

std::vector<std::string> problems_of(const Machine& machine, std::optional<Isa> cap) {
  std::vector<std::string> problems;
  const CpuFeatures& cpu = machine.cpu;
  if (!cpu.refused.empty())
    problems.push_back(fmt::format(
        "CPUID claims {}, but the instructions fault, so they are not used: the hypervisor{} shows "
        "a CPU "
        "that it does not give; choose a CPU model for this guest that the host has (QEMU: -cpu "
        "host)",
        fmt::join(cpu.refused.names(), ", "),
        cpu.hypervisor.empty() ? "" : " (" + cpu.hypervisor + ")"));
  if (!machine.target.supports(Isa::kAvx2))
    problems.push_back(fmt::format(
        "{}: everything runs on the reference kernels, slowly; use a CPU with AVX2, FMA and F16C "
        "(x86-64-v3)",
        why_not(Isa::kAvx2, machine, cap)));
  if (!machine.tiles_refusal.empty())
    problems.push_back(fmt::format(
        "the AMX tier is left out: {}; Linux 5.16 or later allows it, unless a sandbox filters "
        "arch_prctl",
        machine.tiles_refusal));
  if (const Status status = check_isa_cap(machine.target, cap); !status.ok())
    problems.push_back(status.message() + "; unset BITNETC_ISA or name a tier that is there");
  return problems;
}

}  // namespace bitnetc
