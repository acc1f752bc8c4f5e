// LLVM ORC behind two calls: begin() opens an empty function for one kernel on one tier, finish()
// turns the IR written into it into code. One OrcJit serves the whole process and every tier, which
// is an attribute of the function and so printed with the IR. Any thread may call, several may
// generate code at once; only linking is one at a time. A kernel calls nothing outside itself.
//
// The IR is already the vector code that is wanted, so no IR optimisation pipeline runs: only
// instruction selection, scheduling and register allocation
// (docs/decisions/0002-llvm-without-ir-passes.md).
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <memory>
#include <string>

#include "codegen/llvm/module_interface.h"
#include "runtime/status.h"

namespace bitnetc {

// The function `void(const void* args, const void* context)` of one kernel while its IR is written.
struct KernelFunction {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  llvm::Function* function = nullptr;
};

class OrcJit {
 public:
  // The process's OrcJit, made at the first call (it costs a few ms) and never destroyed.
  // Error: kUnsupported when LLVM has no code generator for this machine.
  static Result<OrcJit*> shared();

  KernelFunction begin(const LlvmRequest& request) const;
  // Verifies, compiles and links the kernel into a block of the request's sink.
  // Error: what LLVM or the sink said, with the kernel's name.
  Status finish(llvm::Module& module, const LlvmRequest& request, LlvmResult& result);

 private:
  struct Impl;
  explicit OrcJit(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc
