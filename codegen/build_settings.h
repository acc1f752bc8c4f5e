// What a KernelBuilder is given once, beside the requests: which code it may make, whom it tells,
// and where generated code is kept. A plain value; what its pointers lead to outlives the builder
// and may be used from any thread that builds.
#pragma once

#include <string>

#include "codegen/matmul_work.h"
#include "runtime/jit_observer.h"
#include "runtime/notes.h"
#include "runtime/status.h"

namespace bitnetc {

class Device;
class KernelStore;

struct BuildSettings {
  // Kernels of faster kinds are not built; generated ones take executable memory.
  GeneratorKind fastest = GeneratorKind::kGenerated;
  bool poison = false;   // prologues of generated code fill the vector registers with a pattern
  bool explain = false;  // a note for every selection: who declined and why
  JitObserver* observer = nullptr;  // hears of every generated kernel; null: nobody does
  KernelStore* store = nullptr;     // keeps code between processes; null: nothing is kept
  Notes* notes = &no_notes();
  // Proves the kernels that are made for its target; those for CPUs are proven on the CPU.
  Device* device = nullptr;
  std::string cuda_folder = {};  // of a CUDA toolkit, where NVRTC is looked for too; may be empty

  bool allows(GeneratorKind kind) const { return kind >= fastest; }
  void tell_observer(const PublishedCode& published) const {
    if (observer != nullptr) observer->on_publish(published);
  }
  bool assembly_is_wanted() const { return observer != nullptr && observer->wants_assembly(); }
};

// Whether generated kernels can run. Error: kUnsupported where the settings forbid them; else as
// exec_memory_available().
Status generated_code_available(const BuildSettings& settings);

}  // namespace bitnetc
