// bitnetc doctor: what this machine is, what runs on it, what it can reach, and every problem with
// its remedy.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "codegen/llvm_back_end.h"
#include "runtime/gpu_driver.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/doctor_report.h"
#include "tools/engine/engine.h"

namespace bitnetc {
namespace {

void check_cache_dir(const std::string& dir, std::vector<std::string>& problems) {
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

// The kernel store may have all that the bundled model needs: whether more could be generated is
// asked here.
void check_llvm(Diagnosis& diagnosis) {
  const auto llvm = open_llvm_back_end();
  diagnosis.llvm = llvm.ok() ? *llvm : llvm.status().message();
  if (const Status status = llvm_back_end_status(); !status.ok())
    diagnosis.problems.push_back("norms run on slower kernels than those of LLVM: " +
                                 status.message());
}

// A machine without a GPU is as good as another: that there is none is no problem.
void check_gpus(const CommandContext& context, Diagnosis& diagnosis) {
  auto gpus = list_gpus(context.gpu_driver_settings());
  if (gpus.ok())
    diagnosis.gpus = *std::move(gpus);
  else
    diagnosis.gpu_refusal = gpus.status().message();
}

// Proves the kernels of the bundled model, so that "what runs here" is an observation, and looks
// what pages its file is mapped with.
void check_bundled_model(CommandContext& context, Diagnosis& diagnosis) {
  auto engine = make_engine(kBundledModel, context.engine_options());
  context.notes.end_progress();
  if (!engine.ok()) {
    diagnosis.problems.push_back("the bundled model does not run: " + engine.status().message());
    return;
  }
  for (const std::string& line : engine->link_report.fallbacks())
    diagnosis.problems.push_back(
        fmt::format("{} ('bitnetc run -v' says why)", line.substr(0, line.find(':'))));
  diagnosis.kernels = std::move(engine->link_report.kernels);
  const std::span<const uint8_t> file = engine->model->file().bytes();
  diagnosis.pages.model_bytes = static_cast<int64_t>(file.size());
  diagnosis.pages.model_huge_bytes = huge_bytes_of(file);
}

void check_pages(PageObservation& pages) {
  pages.state = huge_page_state();
  pages.advised_bytes = int64_t{8} << 20;
  pages.advised_huge_bytes = advised_huge_bytes(pages.advised_bytes);
}

// 1, 2, 4, ... and `most`.
std::vector<int> thread_counts(int most) {
  std::vector<int> counts;
  for (int threads = 1; threads < most; threads *= 2) counts.push_back(threads);
  counts.push_back(most);
  return counts;
}

void measure_limits(Diagnosis& diagnosis) {
  const DisturbanceMeter meter;
  for (const int threads : thread_counts(diagnosis.machine.allowance.usable())) {
    if (interrupted()) return;
    diagnosis.limits.push_back(
        remembered_limits(diagnosis.options.cache_dir, threads, {.fresh = true}));
  }
  diagnosis.disturbance = meter.read();
  diagnosis.clock = clock_state();
}

// Error: kCancelled by Ctrl-C.
Result<Diagnosis> diagnose(CommandContext& context) {
  const EngineSettings& settings = context.settings();
  give_time_to_report();
  Diagnosis diagnosis{.options = context.options, .host = settings.target};
  diagnosis.problems = problems_of(diagnosis.machine, context.options.isa_cap);
  if (const Status status = generated_code_available(settings.build); !status.ok()) {
    diagnosis.jit_refusal = status.message();
    diagnosis.problems.push_back("no generated code can run: " + status.message());
  }
  check_llvm(diagnosis);
  check_gpus(context, diagnosis);
  check_cache_dir(settings.cache_dir, diagnosis.problems);
  check_bundled_model(context, diagnosis);
  check_pages(diagnosis.pages);
  measure_limits(diagnosis);
  stop_gracefully();
  if (interrupted())
    return Status(StatusCode::kCancelled, "stopped before all of the machine was looked at");
  return diagnosis;
}

}  // namespace

void add_doctor_command(Command parent, CommandContext& context) {
  auto json = std::make_shared<bool>(false);
  Command command =
      parent.subcommand("doctor", "This machine, what runs on it, its limits, and problems");
  command.json_flag(*json);
  command.verbosity_flags(true, nullptr);
  command.set_action([json, &context]() -> Result<int> {
    BITNETC_ASSIGN_OR_RETURN(const Diagnosis diagnosis, diagnose(context));
    *json ? write_diagnosis_json(diagnosis) : print_diagnosis(diagnosis);
    return diagnosis.problems.empty() ? kExitOk : kExitCheckFailed;
  });
}

}  // namespace bitnetc
