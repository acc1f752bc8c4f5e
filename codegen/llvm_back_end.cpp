#include "codegen/llvm_back_end.h"

#ifdef BITNETC_HAVE_LLVM
#include "codegen/llvm/llvm_target.h"
#include "codegen/llvm/module_loader.h"
#endif

namespace bitnetc {

#ifdef BITNETC_HAVE_LLVM

Result<std::string> open_llvm_back_end() {
  const Result<OpenedLlvmModule>& opened = llvm_module();
  if (!opened.ok()) return opened.status();
  return fmt::format("{} in {}", llvm_toolchain(), opened->path);
}

Status llvm_back_end_status() {
  return llvm_module_was_asked_for() ? llvm_module().status() : Status();
}

#else

Result<std::string> open_llvm_back_end() {
  return Status(StatusCode::kUnsupported, "this build has no LLVM (BITNETC_LLVM=OFF)");
}

Status llvm_back_end_status() {
  return {};
}

#endif

}  // namespace bitnetc
