// What main() hands to every command: the settings, read from the environment once, and what is
// made of them. One per process; it outlives the commands. What the engine and the builders are
// given refers to it.
#pragma once

#include <memory>

#include "runtime/gpu_driver.h"
#include "runtime/jit_observer.h"
#include "runtime/kernel_store.h"
#include "runtime/options.h"
#include "tools/bitnetc/console_notes.h"
#include "tools/engine/engine.h"

namespace bitnetc {

class CommandContext {
 public:
  explicit CommandContext(Options read);
  CommandContext(const CommandContext&) = delete;
  CommandContext& operator=(const CommandContext&) = delete;

  const Options options;
  ConsoleNotes notes;
  KernelStore kernel_store;
  // Its target is capped by BITNETC_ISA; its builders tell the observers that the environment asks
  // for, keep code in kernel_store and note here.
  const EngineSettings& settings() const { return settings_; }

  // What a run uses: `asked` if it is not 0, else BITNETC_THREADS, else every CPU this process may
  // use.
  int thread_count(int asked) const;
  // `plan` with its number of threads settled; Ctrl-C stops what is begun with it.
  EngineOptions engine_options(PlanRequest plan = {});
  // The library of the NVIDIA driver that the environment names.
  GpuDriverSettings gpu_driver_settings() const;

 private:
  const std::unique_ptr<JitObserver> dump_, perf_map_;  // null where they are not asked for
  JitObservers observers_;
  const EngineSettings settings_;
};

}  // namespace bitnetc
