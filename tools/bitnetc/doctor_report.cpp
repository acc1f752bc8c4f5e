#include "tools/bitnetc/doctor_report.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "runtime/gpu_driver.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"

namespace bitnetc {
namespace {

using nlohmann::json;

constexpr Isa kTiers[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};

// A line of a section; the title stands before its first line only.
void print_line(std::string_view title, std::string_view text) {
  print_out("{:<12}{}\n", title, text);
}

// What follows from the lines above.
void print_notes(const std::vector<std::string>& notes) {
  for (const std::string& note : notes) print_line("", "- " + note);
}

void print_cpu(const Diagnosis& diagnosis) {
  const Machine& machine = diagnosis.machine;
  const CpuFeatures& cpu = machine.cpu;
  print_line("cpu", fmt::format("{}, {} (family {}, model {}, stepping {})", cpu.brand,
                                machine.microarchitecture, cpu.family, cpu.model, cpu.stepping));
  print_line("executes", fmt::format("{}", fmt::join(cpu.features.names(), " ")));
  print_line("tier", fmt::format("kernels are generated for {}", diagnosis.host.name()));
  std::vector<std::string> notes;
  for (const Isa isa : kTiers)
    if (const std::string why = why_not(isa, machine, diagnosis.options.isa_cap); !why.empty())
      notes.push_back(fmt::format("not {}: {}", isa_name(isa), why));
  print_notes(notes);
}

void print_cpus(const Machine& machine) {
  const CpuGroup& usable = machine.topology.usable;
  const CpuAllowance& allowance = machine.allowance;
  print_line("cpus", fmt::format("{} of {} usable: {} core{}, {} socket{}, {} memory node{}",
                                 allowance.usable(), allowance.online, usable.cores,
                                 plural(usable.cores), usable.sockets, plural(usable.sockets),
                                 usable.numa_nodes, plural(usable.numa_nodes)));
  print_notes(notes_on_cpus(machine));
  const CacheSizes& caches = machine.topology.caches;
  std::string text = describe(caches);
  if (caches.l3_cores > 0)
    text += fmt::format(" for {} core{}", caches.l3_cores, plural(caches.l3_cores));
  if (machine.topology.usable_l3s > 1)
    text += fmt::format(", {} of them", machine.topology.usable_l3s);
  print_line("caches", text);
}

// A row of the table of limits: one figure for every number of threads.
void print_limits_row(const Diagnosis& diagnosis, std::string_view what,
                      const std::function<std::string(const MachineLimits&)>& figure) {
  std::string row = fmt::format("{:<28}", what);
  for (const MachineLimits& limits : diagnosis.limits) row += fmt::format(" {:>8}", figure(limits));
  print_line("", row);
}

void print_limits(const Diagnosis& diagnosis) {
  std::string head = fmt::format("{:<28}", "measured; threads:");
  for (const MachineLimits& limits : diagnosis.limits)
    head += fmt::format(" {:>8}", limits.threads);
  print_line("limits", head);
  print_limits_row(diagnosis, "read from memory, GB/s", [](const MachineLimits& limits) {
    return fmt::format("{:.1f}", limits.read_bytes_per_second / 1e9);
  });
  for (const auto& [isa, unused] : diagnosis.limits.front().int8_operations_per_second)
    print_limits_row(diagnosis, fmt::format("{}, Gop/s", int8_unit_name(isa)),
                     [tier = isa](const MachineLimits& limits) {
                       return fmt::format("{:.0f}", limits.peak_of(tier) / 1e9);
                     });
  for (const auto& [isa, unused] : diagnosis.limits.front().fp32_operations_per_second)
    print_limits_row(diagnosis, fmt::format("{}, Gflop/s", fp32_unit_name(isa)),
                     [tier = isa](const MachineLimits& limits) {
                       return fmt::format("{:.0f}", limits.fp32_peak_of(tier) / 1e9);
                     });
  print_notes(notes_on_noise(diagnosis.machine, diagnosis.disturbance, diagnosis.clock));
}

void print_pages(const PageObservation& pages) {
  const HugePageState& state = pages.state;
  std::string text = state.anonymous.empty()
                         ? "no transparent huge pages"
                         : fmt::format("transparent huge pages: {} (defrag: {}, shared memory: {})",
                                       state.anonymous, state.defrag, state.shared_memory);
  text += state.reserved_pages == 0
              ? "; none reserved"
              : fmt::format("; {} of {} reserved ones of {} are free", state.free_reserved_pages,
                            state.reserved_pages, format_binary_bytes(state.page_bytes));
  print_line("pages", text);
  print_notes(notes_on_pages(pages));
}

void print_gpus(const Diagnosis& diagnosis) {
  if (diagnosis.gpus.empty()) print_line("gpu", diagnosis.gpu_refusal);
  for (size_t i = 0; i < diagnosis.gpus.size(); ++i) {
    const GpuProperties& gpu = diagnosis.gpus[i];
    print_line(fmt::format("gpu {}", i),
               fmt::format("{}, sm_{}: {} multiprocessors, {} of memory, {} of L2, driver {}",
                           gpu.name, gpu.sm, gpu.multiprocessors,
                           format_binary_bytes(static_cast<int64_t>(gpu.memory_bytes)),
                           format_binary_bytes(static_cast<int64_t>(gpu.l2_bytes)), gpu.driver));
    if (const std::string why = why_unusable(gpu); !why.empty()) print_notes({why});
  }
}

json json_of(const CpuGroup& group) {
  return {{"sockets", group.sockets},
          {"numa_nodes", group.numa_nodes},
          {"cores", group.cores},
          {"cpus", group.cpus}};
}

json json_of(const std::vector<std::pair<Isa, double>>& peaks) {
  json object = json::object();
  for (const auto& [isa, peak] : peaks) object[isa_name(isa)] = peak;
  return object;
}

json json_of(const std::optional<int64_t>& number) {
  return number ? json(*number) : json(nullptr);
}

json json_of(const Machine& machine) {
  const CpuFeatures& cpu = machine.cpu;
  const CpuAllowance& allowance = machine.allowance;
  const CacheSizes& caches = machine.topology.caches;
  return {{"fingerprint", fingerprint(machine)},
          {"summary", describe(machine)},
          {"vendor", cpu.vendor},
          {"brand", cpu.brand},
          {"microarchitecture", machine.microarchitecture},
          {"family", cpu.family},
          {"model", cpu.model},
          {"stepping", cpu.stepping},
          {"hypervisor", cpu.hypervisor},
          {"features", cpu.features.names()},
          {"refused_features", cpu.refused.names()},
          {"online_cpus", allowance.online},
          {"allowed_cpus", allowance.allowed},
          {"cpu_quota", allowance.quota ? json(*allowance.quota) : json(nullptr)},
          {"usable_cpus", allowance.usable()},
          {"whole", json_of(machine.topology.machine)},
          {"usable", json_of(machine.topology.usable)},
          {"caches",
           {{"l1d_bytes", caches.l1d_bytes},
            {"l2_bytes", caches.l2_bytes},
            {"l3_bytes", caches.l3_bytes},
            {"l3_cores", caches.l3_cores}}}};
}

json json_of(const GpuProperties& gpu) {
  const std::string why = why_unusable(gpu);
  return {{"name", gpu.name},
          {"driver", gpu.driver},
          {"target", fmt::format("sm_{}", gpu.sm)},
          {"usable", why.empty() ? json(true) : json(why)},
          {"multiprocessors", gpu.multiprocessors},
          {"clock_khz", gpu.clock_khz},
          {"memory_clock_khz", gpu.memory_clock_khz},
          {"memory_bus_bits", gpu.memory_bus_bits},
          {"memory_bytes", gpu.memory_bytes},
          {"l2_bytes", gpu.l2_bytes}};
}

json json_of(const PageObservation& pages) {
  return {{"transparent", pages.state.anonymous},
          {"defrag", pages.state.defrag},
          {"shared_memory", pages.state.shared_memory},
          {"huge_page_bytes", pages.state.page_bytes},
          {"reserved_pages", pages.state.reserved_pages},
          {"free_reserved_pages", pages.state.free_reserved_pages},
          {"advised_bytes", pages.advised_bytes},
          {"advised_huge_bytes", json_of(pages.advised_huge_bytes)},
          {"mapped_model_bytes", pages.model_bytes},
          {"mapped_model_huge_bytes", json_of(pages.model_huge_bytes)}};
}

// The sentences of the printed form, in its order.
std::vector<std::string> all_notes(const Diagnosis& diagnosis) {
  std::vector<std::string> all = notes_on_cpus(diagnosis.machine);
  for (const auto& more :
       {notes_on_noise(diagnosis.machine, diagnosis.disturbance, diagnosis.clock),
        notes_on_pages(diagnosis.pages)})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

void print_diagnosis(const Diagnosis& diagnosis) {
  print_cpu(diagnosis);
  print_cpus(diagnosis.machine);
  print_limits(diagnosis);
  print_pages(diagnosis.pages);
  print_line("jit",
             diagnosis.jit_refusal.empty()
                 ? "executable memory is to be had (written and run through two mappings, never "
                   "both at once)"
                 : diagnosis.jit_refusal);
  print_line("llvm", diagnosis.llvm);
  print_gpus(diagnosis);
  print_line("kernels", fmt::format("{} proven for the bundled model", diagnosis.kernels.size()));
  print_line("fingerprint", fmt::format("{} (what was measured here is kept under it)",
                                        fingerprint(diagnosis.machine)));
  std::string title = "settings";
  for (const OptionValue& option : describe_options(diagnosis.options)) {
    print_line(title, fmt::format("{:<20} {:<20} {}", option.name, option.value, option.meaning));
    title.clear();
  }
  for (const std::string& problem : diagnosis.problems) print_line("PROBLEM", problem);
  if (diagnosis.problems.empty()) print_out("no problems found\n");
}

void write_diagnosis_json(const Diagnosis& diagnosis) {
  json bandwidth = json::object(), int8 = json::object(), fp32 = json::object();
  for (const MachineLimits& limits : diagnosis.limits) {
    const std::string threads = std::to_string(limits.threads);
    bandwidth[threads] = limits.read_bytes_per_second;
    int8[threads] = json_of(limits.int8_operations_per_second);
    fp32[threads] = json_of(limits.fp32_operations_per_second);
  }
  json tiers = json::object(), kernels = json::array(), settings = json::object();
  json gpus = json::array();
  for (const GpuProperties& gpu : diagnosis.gpus) gpus.push_back(json_of(gpu));
  for (const Isa isa : kTiers) {
    const std::string why = why_not(isa, diagnosis.machine, diagnosis.options.isa_cap);
    tiers[isa_name(isa)] = why.empty() ? json(true) : json(why);
  }
  for (const LinkedKernel& kernel : diagnosis.kernels)
    kernels.push_back({{"name", kernel.name}, {"generator", kernel.generator}});
  for (const OptionValue& option : describe_options(diagnosis.options))
    settings[option.name] = option.value;
  write_json("doctor", 1,
             {{"machine", json_of(diagnosis.machine)},
              {"isa", diagnosis.host.name()},
              {"tiers", tiers},
              {"read_bandwidth_bytes_per_second", bandwidth},
              {"int8_operations_per_second", int8},
              {"fp32_operations_per_second", fp32},
              {"pages", json_of(diagnosis.pages)},
              {"notes", all_notes(diagnosis)},
              {"jit", diagnosis.jit_refusal.empty()},
              {"llvm", diagnosis.llvm},
              {"gpus", gpus},
              {"gpu_refusal", diagnosis.gpu_refusal},
              {"kernels", kernels},
              {"settings", settings},
              {"problems", diagnosis.problems}});
}

}  // namespace bitnetc
