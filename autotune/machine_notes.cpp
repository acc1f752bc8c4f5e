#include "autotune/machine_notes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace bitnetc {
namespace {

using FeatureMember = bool CpuFeatures::*;

std::vector<FeatureMember> features_of(Isa isa) {
  std::vector<FeatureMember> needed;
  const auto add = [&](std::initializer_list<FeatureMember> more) {
    needed.insert(needed.end(), more);
  };
  if (isa >= Isa::kAvx2) add({&CpuFeatures::avx2, &CpuFeatures::fma, &CpuFeatures::f16c});
  if (isa == Isa::kAvxVnni) add({&CpuFeatures::avx_vnni});
  if (isa >= Isa::kAvx512Vnni)
    add({&CpuFeatures::avx512f, &CpuFeatures::avx512bw, &CpuFeatures::avx512dq,
         &CpuFeatures::avx512vl, &CpuFeatures::avx512_vnni});
  if (isa == Isa::kAmx) add({&CpuFeatures::avx512_vbmi, &CpuFeatures::amx_int8});
  return needed;
}

std::vector<std::string> missing_features(Isa isa, const CpuFeatures& cpu) {
  const std::vector<FeatureMember> needed = features_of(isa);
  std::vector<std::string> missing;
  for (const NamedFeature& each : named_features()) {
    const bool is_needed = std::find(needed.begin(), needed.end(), each.member) != needed.end();
    if (is_needed && !(cpu.*each.member)) missing.emplace_back(each.name);
  }
  return missing;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string percent(double share) {
  return fmt::format("{:.0f} %", 100 * share);
}

}  // namespace

std::string why_not(Isa isa, const Machine& machine, std::optional<Isa> cap) {
  if (machine.target.supports(isa)) {
    if (cap_target(machine.target, cap).supports(isa)) return "";
    return fmt::format("left out by BITNETC_ISA={}", isa_name(*cap));
  }
  const std::vector<std::string> missing = missing_features(isa, machine.cpu);
  std::vector<std::string> refused;
  for (const std::string& each : missing)
    if (contains(machine.cpu.refused, each)) refused.push_back(each);
  if (!refused.empty())
    return fmt::format("CPUID claims {}, but the instructions fault", fmt::join(refused, ", "));
  if (missing == std::vector<std::string>{"amx_int8"} && !machine.tiles_refusal.empty())
    return "the CPU has it, the system does not allow it";
  return fmt::format("this CPU has no {}", fmt::join(missing, ", "));
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
        "--cpunodebind=0 --membind=0 keeps a run on one",
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
        fmt::join(cpu.refused, ", "), cpu.hypervisor.empty() ? "" : " (" + cpu.hypervisor + ")"));
  if (machine.target.best_isa == Isa::kScalar)
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
