// bitnetc doctor: what this machine is, what runs on it, what it can reach, and every problem with its remedy.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "autotune/machine.h"
#include "runtime/amx.h"
#include "runtime/cpu_features.h"
#include "runtime/exec_memory.h"
#include "runtime/options.h"
#include "runtime/thread_pool.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/engine.h"
#include "tools/bitnetc/measured_limits.h"

namespace bitnetc {
namespace {

// Operations a second of the unit that a tier multiplies with.
struct Peak {
  Isa isa;
  double operations_per_second;
};

struct Limits {
  int threads;
  double bytes_per_second;
  std::vector<Peak> peaks;
};

struct Diagnosis {
  const CpuFeatures& cpu = cpu_features();
  Target host = host_target();
  std::vector<std::string> features;
  int cpus = usable_cpu_count();
  CacheSizes caches = cache_sizes();
  std::vector<Limits> limits;         // with one thread and more
  std::vector<LinkedKernel> kernels;  // of the bundled model
  std::vector<std::string> problems;  // each with its remedy
};

void check_cache_dir(std::vector<std::string>& problems) {
  const std::string& dir = options().cache_dir;
  if (dir.empty()) {
    problems.emplace_back(
        "no cache directory: models are compiled anew on every run; set XDG_CACHE_HOME or HOME");
    return;
  }
  struct stat info;
  if (::stat(dir.c_str(), &info) != 0) return;  // made on first use
  if (::access(dir.c_str(), W_OK) != 0)
    problems.push_back(
        fmt::format("{} is not writable: models are compiled anew on every run; make it "
                    "writable or point XDG_CACHE_HOME elsewhere",
                    dir));
  if ((info.st_mode & 022) != 0)
    problems.push_back(fmt::format("{} can be written by others; run chmod 700 {}", dir, dir));
}

// Proves the kernels of the bundled model, so that "what runs here" is an observation.
void check_kernels(Diagnosis& diagnosis) {
  auto engine = make_engine(kBundledModel, false);
  if (!engine.ok()) {
    diagnosis.problems.push_back("the bundled model does not run: " + engine.status().message());
    return;
  }
  for (const std::string& line : engine->link_report.fallbacks())
    diagnosis.problems.push_back(line);
  diagnosis.kernels = std::move(engine->link_report.kernels);
}

Limits measure_limits(int threads) {
  Limits limits{threads, read_bandwidth(threads, /*fresh=*/true), {}};
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx})
    if (const double peak = int8_peak(isa, threads, /*fresh=*/true); peak > 0)
      limits.peaks.push_back({isa, peak});
  return limits;
}

Diagnosis diagnose() {
  Diagnosis diagnosis;
  diagnosis.features = feature_names(diagnosis.cpu);
  if (diagnosis.host.best_isa == Isa::kScalar && !options().isa_cap)
    diagnosis.problems.emplace_back(
        "this CPU has no AVX2 with FMA and F16C: everything runs on the reference kernels, slowly");
  if (const Status status = check_isa_cap(machine_target(), options().isa_cap); !status.ok())
    diagnosis.problems.push_back(status.message());
  if (diagnosis.cpu.amx_int8) {
    if (const Status status = allow_amx_tiles(); !status.ok())
      diagnosis.problems.push_back("the AMX tier is left out: " + status.message());
  }
  if (const Status status = exec_memory_available(); !status.ok())
    diagnosis.problems.push_back("no generated code can run: " + status.message());
  check_cache_dir(diagnosis.problems);
  check_kernels(diagnosis);
  for (int threads = 1; threads <= diagnosis.cpus; threads *= 2)
    diagnosis.limits.push_back(measure_limits(threads));
  if (diagnosis.limits.back().threads != diagnosis.cpus)
    diagnosis.limits.push_back(measure_limits(diagnosis.cpus));
  return diagnosis;
}

void print_json(const Diagnosis& diagnosis) {
  nlohmann::json bandwidth = nlohmann::json::object(), peaks = nlohmann::json::object();
  for (const Limits& limits : diagnosis.limits) {
    const std::string threads = std::to_string(limits.threads);
    bandwidth[threads] = limits.bytes_per_second;
    peaks[threads] = nlohmann::json::object();
    for (const Peak& peak : limits.peaks)
      peaks[threads][isa_name(peak.isa)] = peak.operations_per_second;
  }
  nlohmann::json kernels = nlohmann::json::array();
  for (const LinkedKernel& kernel : diagnosis.kernels)
    kernels.push_back({{"name", kernel.name}, {"generator", kernel.generator}});
  nlohmann::json settings = nlohmann::json::object();
  for (const OptionValue& option : describe_options(options()))
    settings[option.name] = option.value;
  const nlohmann::json document = {{"cpu", diagnosis.cpu.brand},
                                   {"features", diagnosis.features},
                                   {"isa", isa_name(diagnosis.host.best_isa)},
                                   {"cpus", diagnosis.cpus},
                                   {"caches",
                                    {{"l1d_bytes", diagnosis.caches.l1d_bytes},
                                     {"l2_bytes", diagnosis.caches.l2_bytes},
                                     {"l3_bytes", diagnosis.caches.l3_bytes}}},
                                   {"read_bandwidth_bytes_per_second", bandwidth},
                                   {"int8_operations_per_second", peaks},
                                   {"kernels", kernels},
                                   {"settings", settings},
                                   {"problems", diagnosis.problems}};
  fmt::print("{}\n", document.dump(2));
}

void print_text(const Diagnosis& diagnosis) {
  fmt::print("cpu         {} (family {}, model {}, stepping {})\n", diagnosis.cpu.brand,
             diagnosis.cpu.family, diagnosis.cpu.model, diagnosis.cpu.stepping);
  fmt::print("features    {}\n", fmt::join(diagnosis.features, " "));
  fmt::print("tiers      ");
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx})
    fmt::print(" {}{}", isa_name(isa), diagnosis.host.supports(isa) ? "" : " (no)");
  fmt::print("; kernels are generated for {}\n", diagnosis.host.describe());
  fmt::print("cpus        {} usable by this process\n", diagnosis.cpus);
  fmt::print("caches      L1d {}, L2 {}, L3 {}\n",
             format_bytes(static_cast<double>(diagnosis.caches.l1d_bytes)),
             format_bytes(static_cast<double>(diagnosis.caches.l2_bytes)),
             format_bytes(static_cast<double>(diagnosis.caches.l3_bytes)));
  for (const Limits& limits : diagnosis.limits) {
    const char* plural = limits.threads == 1 ? "" : "s";
    fmt::print("read        {:.1f} GB/s from memory with {} thread{}\n",
               limits.bytes_per_second / 1e9, limits.threads, plural);
    for (const Peak& peak : limits.peaks)
      fmt::print("int8        {:.0f} Gop/s of {} ({}) with {} thread{}\n",
                 peak.operations_per_second / 1e9, int8_unit_name(peak.isa), isa_name(peak.isa),
                 limits.threads, plural);
  }
  const Status exec = exec_memory_available();
  fmt::print("jit         {}\n", exec.ok()
                                     ? "executable memory is to be had (written and run through "
                                       "two mappings, never both at once)"
                                     : exec.message());
  fmt::print("kernels     {} proven for the bundled model\n", diagnosis.kernels.size());
  for (const OptionValue& option : describe_options(options()))
    fmt::print("setting     {:<18} {:<24} {}\n", option.name,
               option.value.empty() ? "(not set)" : option.value, option.meaning);
  for (const std::string& problem : diagnosis.problems) fmt::print("PROBLEM     {}\n", problem);
  if (diagnosis.problems.empty()) fmt::print("no problems found\n");
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("doctor", "This machine, what runs on it, its limits, and problems");
  command->add_flag("--json", *json, "As JSON");
  command->callback([json, &exit_code] {
    const Diagnosis diagnosis = diagnose();
    *json ? print_json(diagnosis) : print_text(diagnosis);
    exit_code = diagnosis.problems.empty() ? kExitOk : kExitCheckFailed;
  });
}

}  // namespace bitnetc
