// LLVM ORC behind two steps: begin() opens an empty function for one kernel on one target, finish() turns
// the IR written into it into a Kernel. One OrcJit serves the whole process and every target: the tier is
// an attribute of the function, so it can be printed with the IR. Any thread may call, several may generate
// code at once; only linking is one at a time. A kernel calls nothing outside itself. It keeps the OrcJit and its own code alive and gives the code back when dropped.
//
// The IR is already the vector code that is wanted, so no IR optimisation pipeline runs: only instruction
// selection, scheduling and register allocation (docs/decisions/0002-llvm-without-ir-passes.md).
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <string>

#include "codegen/kernel_builder.h"
#include "runtime/kernel.h"
#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

// The function `void(const void* args, const void* context)` of one kernel while its IR is written.
struct KernelFunction {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  llvm::Function* function = nullptr;
};

class OrcJit : public std::enable_shared_from_this<OrcJit> {
 public:
  // The process's OrcJit, made at the first call (it costs a few ms).
  // Error: kUnsupported when LLVM has no code generator for this machine.
  static Result<std::shared_ptr<OrcJit>> shared();
  // Whether kernels for `target` are worth making and may run on this machine, with the reason if not.
  static Status accepts(const Target& target);
  ~OrcJit();

  KernelFunction begin(const std::string& kernel_name, const Target& target) const;
  // Verifies, compiles, links and publishes (runtime/jit_observer.h) the kernel.
  // Error: what LLVM or the executable memory said, with the kernel's name.
  Result<Kernel> finish(KernelFunction function, const KernelRequest& request,
                        const std::string& kernel_name);

 private:
  struct Impl;
  class KernelCode;
  explicit OrcJit(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc
