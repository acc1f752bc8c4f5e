// Told of every generated kernel that is published, so that tools can see generated code by name.
// An observer is given to a KernelBuilder (codegen/build_settings.h) and is told by the thread that
// builds; several builders may share one. It must not publish code.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/notes.h"

namespace bitnetc {

struct PublishedCode {
  std::string name;                  // the kernel's name
  std::string spec_text, plan_text;  // printed KernelSpec and KernelPlan
  std::string assembly;           // printed IR or empty; filled by back-ends that have a text form
  std::span<const uint8_t> code;  // the bytes at their executable address; a device's lie anywhere
  bool is_host = true;            // whether `code` is the host's
  // What a dump calls the assembly.
  std::string_view assembly_file = "code.ll";
};

class JitObserver {
 public:
  virtual ~JitObserver() = default;
  virtual void on_publish(const PublishedCode& published) = 0;
  // Whether PublishedCode::assembly is looked at. Then no kernel comes from the disk, where only
  // code is kept.
  virtual bool wants_assembly() const { return false; }
};

// Tells several observers, one kernel at a time, so that none of them needs a lock of its own.
class JitObservers final : public JitObserver {
 public:
  // They outlive this; null ones are left out.
  explicit JitObservers(std::vector<JitObserver*> observers);
  void on_publish(const PublishedCode& published) override;
  bool wants_assembly() const override;  // whether one of them does

 private:
  std::vector<JitObserver*> observers_;
  std::mutex mutex_;  // held while they are told
};

// Both need the lock of a JitObservers, and note (NoteKind::kObserver) what they cannot write.
// Writes <dir>/<name>/{spec.txt, plan.txt, code.bin} and the assembly; for BITNETC_DUMP=dir.
std::unique_ptr<JitObserver> make_dump_observer(std::string dir, Notes& notes);
// Appends "address size name" to /tmp/perf-<pid>.map; for BITNETC_PERF=map.
std::unique_ptr<JitObserver> make_perf_map_observer(Notes& notes);

}  // namespace bitnetc
