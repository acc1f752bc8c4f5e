// Where JITLink puts a kernel: into a block of the program's executable memory, written through its
// `rw` address and linked for its `rx` address. So ORC code obeys the same W^X rule as every other
// back-end: no page is ever writable and executable at one address, and none changes from one to
// the other. The block belongs to whoever asked for the kernel; here it is only filled.
#pragma once

#include <llvm/ExecutionEngine/JITLink/JITLinkMemoryManager.h>

#include <cstdint>
#include <span>

#include "codegen/llvm/module_interface.h"

namespace bitnetc {

// Not thread-safe: whoever links keeps builds apart.
class SinkMemoryManager final : public llvm::jitlink::JITLinkMemoryManager {
 public:
  // What is allocated next comes from `sink`, which must live until the link has ended.
  void begin(const LlvmCodeSink& sink);
  // What was linked since, with its entry.
  void describe(llvm::orc::ExecutorAddr entry, LlvmResult& result) const;

  void allocate(const llvm::jitlink::JITLinkDylib* dylib, llvm::jitlink::LinkGraph& graph,
                OnAllocatedFunction on_allocated) override;
  void deallocate(std::vector<FinalizedAlloc> allocations,
                  OnDeallocatedFunction on_deallocated) override;

 private:
  LlvmCodeSink sink_;
  std::span<const uint8_t> block_;         // all of it: instructions and constants
  std::span<const uint8_t> instructions_;  // without constants
  bool position_independent_ = false;
};

}  // namespace bitnetc
