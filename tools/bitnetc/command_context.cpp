#include "tools/bitnetc/command_context.h"

#include "runtime/cpu_allowance.h"
#include "runtime/cpu_features.h"

namespace bitnetc {

CommandContext::CommandContext(Options read)
    : options(std::move(read)),
      kernel_store(options.cache_dir, notes),
      dump_(options.dump_dir.empty() ? nullptr : make_dump_observer(options.dump_dir, notes)),
      perf_map_(options.perf_map ? make_perf_map_observer(notes) : nullptr),
      observers_({dump_.get(), perf_map_.get()}),
      settings_{
          .cache_dir = options.cache_dir,
          .program_dir = options.program_dir,
          .target = host_target(options.isa_cap),
          .build = {.fastest = options.jit ? GeneratorKind::kGenerated : GeneratorKind::kCompiled,
                    .poison = options.poison,
                    .explain = options.explain,
                    .observer = &observers_,
                    .store = &kernel_store,
                    .notes = &notes,
                    .cuda_folder = options.cuda_folder},
          .gpu_driver = gpu_driver_settings()} {}

int CommandContext::thread_count(int asked) const {
  if (asked > 0) return asked;
  return options.threads > 0 ? options.threads : usable_cpu_count();
}

EngineOptions CommandContext::engine_options(PlanRequest plan) {
  plan.threads = thread_count(plan.threads);
  return {
      .settings = settings_, .plan = std::move(plan), .notes = &notes, .cancel = &interrupted()};
}

GpuDriverSettings CommandContext::gpu_driver_settings() const {
  GpuDriverSettings settings{.visible_devices = options.cuda_visible_devices};
  if (!options.cuda_library.empty()) settings.library = options.cuda_library;
  return settings;
}

}  // namespace bitnetc
