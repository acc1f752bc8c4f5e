// Finds and opens the LLVM module (codegen/llvm/module_interface.h), once per process and only when
// somebody asks for it. It lies where this build puts it, seen from the program or the shared
// library that holds this code; nothing else is searched.
#pragma once

#include <string>

#include "codegen/llvm/module_interface.h"
#include "runtime/status.h"

namespace bitnetc {

struct OpenedLlvmModule {
  const LlvmModule* module = nullptr;
  std::string path;
};
// The module, which stays open. Any thread may call.
// Error: kNotFound naming the file and the folders, kUnsupported naming the file and what is wrong
// with it. The same at every call.
const Result<OpenedLlvmModule>& llvm_module();
bool llvm_module_was_asked_for();

// Opens the module at `path`; for tests, llvm_module() for everybody else. Error: kUnsupported.
Result<OpenedLlvmModule> open_llvm_module(const std::string& path);

}  // namespace bitnetc
