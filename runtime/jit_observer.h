// Told of every kernel that is published, so that tools can see generated code by name. Observers
// are installed once at start-up (install_observers reads runtime/options.h); notify is thread-safe
// and tells one kernel at a time, so an observer needs no lock of its own. An observer must not
// publish code.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/options.h"
#include "runtime/status.h"

namespace bitnetc {

struct PublishedCode {
  std::string name;                  // the kernel's name
  std::string spec_text, plan_text;  // printed KernelSpec and KernelPlan
  std::string assembly;           // printed IR or empty; filled by back-ends that have a text form
  std::span<const uint8_t> code;  // the bytes at their executable address
};

class JitObserver {
 public:
  virtual ~JitObserver() = default;
  virtual void on_publish(const PublishedCode& published) = 0;
  // Whether PublishedCode::assembly is looked at. Then no kernel comes from the disk, where only
  // code is kept.
  virtual bool wants_assembly() const { return false; }
};

void add_jit_observer(std::shared_ptr<JitObserver> observer);
void notify_published(const PublishedCode& published);
bool assembly_is_wanted();  // by any observer

// BITNETC_DUMP=dir: <dir>/<name>/{spec.txt, plan.txt, code.bin, code.ll}.
std::shared_ptr<JitObserver> make_dump_observer(std::string dir);
// BITNETC_PERF=map: appends "address size name" to /tmp/perf-<pid>.map.
std::shared_ptr<JitObserver> make_perf_map_observer();
void install_observers(const Options& options);

}  // namespace bitnetc
